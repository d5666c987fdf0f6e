#include "evaluate/chunk_pass.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/parallel.h"
#include "evaluate/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;

struct Seen {
  std::vector<int32_t> labels;
  std::vector<float> logits;
};

// What a pass visits, by chunk; a chunk that is visited twice fails the test.
std::map<size_t, Seen> pass(DecoderList decoders, std::span<const int32_t> tokens, ChunkRange range) {
  std::mutex mutex;
  std::map<size_t, Seen> seen;
  decode_chunks(decoders, tokens, range, [&](const DecodedChunk& chunk) {
    std::lock_guard lock(mutex);
    EXPECT_EQ(chunk.vocabulary_size, 2048U);
    EXPECT_FALSE(seen.contains(chunk.index)) << chunk.index;
    seen[chunk.index] = {{chunk.labels.begin(), chunk.labels.end()},
                         {chunk.logits.begin(), chunk.logits.end()}};
  });
  return seen;
}

TEST(DecodeChunks, VisitsEveryChunkOfARangeOnceWithItsLabels) {
  std::vector<int32_t> tokens = text_tokens(7 * kContext + 5);
  auto decoders = make_decoders(1, 2);
  for (ChunkRange range : {ChunkRange{0, 7}, ChunkRange{2, 3}, ChunkRange{6, 1}, ChunkRange{4, 0}}) {
    std::map<size_t, Seen> seen = pass(decoders, tokens, range);
    EXPECT_EQ(seen.size(), range.count);
    for (const auto& [index, chunk] : seen) {
      EXPECT_TRUE(index >= range.first && index < range.first + range.count) << index;
      // Position 16 foretells token 17; the last of the chunk is token 31.
      std::vector<int32_t> wanted(tokens.begin() + static_cast<ptrdiff_t>(index * kContext + 17),
                                  tokens.begin() + static_cast<ptrdiff_t>((index + 1) * kContext));
      EXPECT_EQ(chunk.labels, wanted) << index;
    }
  }
}

TEST(DecodeChunks, GivesTheLogitsOfTheDecoder) {
  std::vector<int32_t> tokens = text_tokens(3 * kContext);
  std::map<size_t, Seen> seen = pass(make_decoders(1, 2), tokens, {0, 3});
  auto decoders = make_decoders(1, 2);
  for (size_t first : {size_t{0}, size_t{2}}) {
    size_t count = first == 0 ? 2 : 1;
    decoders[0]->decode(std::span(tokens).subspan(first * kContext, count * kContext),
                        [&](size_t index, std::span<const float> logits) {
                          std::vector<float> wanted(logits.begin(), logits.end());
                          EXPECT_TRUE(seen.at(first + index).logits == wanted) << first + index;
                          EXPECT_EQ(logits.size(), 16U * 2048U);
                        });
  }
}

TEST(DecodeChunks, RowsFollowTheLabels) {
  std::vector<int32_t> tokens = text_tokens(kContext);
  decode_chunks(make_decoders(1, 1), tokens, {0, 1}, [&](const DecodedChunk& chunk) {
    ASSERT_EQ(chunk.labels.size(), 15U);
    for (size_t i = 0; i < chunk.labels.size(); ++i) {
      EXPECT_EQ(chunk.row(i).data(), chunk.logits.data() + i * 2048) << i;
      EXPECT_EQ(chunk.row(i).size(), 2048U);
    }
  });
}

TEST(DecodeChunks, DoesNotDependOnTheNumberOfDecoders) {
  std::vector<int32_t> tokens = text_tokens(9 * kContext);
  std::map<size_t, Seen> wanted = pass(make_decoders(1, 2), tokens, {0, 9});
  for (size_t count : {2U, 3U, 6U}) {
    ThreadLimit limit(static_cast<int>(count));
    std::map<size_t, Seen> found = pass(make_decoders(count, 2), tokens, {0, 9});
    ASSERT_EQ(found.size(), wanted.size());
    for (const auto& [index, chunk] : wanted) {
      EXPECT_EQ(found[index].labels, chunk.labels) << index;
      EXPECT_TRUE(found[index].logits == chunk.logits) << count << " decoders, chunk " << index;
    }
  }
}

TEST(DecodeChunks, DecodersWorkAtTheSameTime) {
  std::vector<int32_t> tokens = text_tokens(6 * kContext);
  auto decoders = make_decoders(2, 1);
  ThreadLimit limit(2);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  auto thread_count = [&] {
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    return threads.size();
  };
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  decode_chunks(decoders, tokens, {0, 6}, [&](const DecodedChunk&) {
    // A decoder with a chunk waits for the other one.
    while (thread_count() < 2 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  EXPECT_EQ(threads.size(), 2U);
}

TEST(DecodeChunks, AnExceptionIsPassedOnAndEndsIt) {
  std::vector<int32_t> tokens = text_tokens(7 * kContext);
  std::vector<size_t> visited;
  auto visit = [&](const DecodedChunk& chunk) {
    visited.push_back(chunk.index);
    if (chunk.index == 2) throw Error("enough");
  };
  EXPECT_THROW(decode_chunks(make_decoders(1, 2), tokens, {0, 7}, visit), Error);
  EXPECT_EQ(visited, (std::vector<size_t>{0, 1, 2}));
}

TEST(DecodeChunks, AnExceptionKeepsOtherDecodersFromBeginningAGroup) {
  std::vector<int32_t> tokens = text_tokens(20 * kContext);
  auto decoders = make_decoders(2, 2);
  ThreadLimit limit(2);
  std::atomic<bool> failed = false;
  std::atomic<size_t> visits_of_others = 0;
  auto visit = [&](const DecodedChunk&) {
    if (!failed.exchange(true)) throw Error("enough");
    ++visits_of_others;
    // By then the one that failed has told the others.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  };
  EXPECT_THROW(decode_chunks(decoders, tokens, {0, 20}, visit), Error);
  EXPECT_LE(visits_of_others, 2U) << "more than the group that was begun";
}

TEST(DecodeChunks, OfSeveralExceptionsThatOfTheFirstGroupIsPassedOn) {
  std::vector<int32_t> tokens = text_tokens(2 * kContext);
  auto decoders = make_decoders(2, 1);
  ThreadLimit limit(2);
  std::atomic<bool> later_failed = false;
  auto visit = [&](const DecodedChunk& chunk) {
    if (chunk.index == 1) {
      later_failed = true;
      throw Error("later");
    }
    // Where no second thread comes, the first group fails alone.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!later_failed && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    throw Error("first");
  };
  try {
    decode_chunks(decoders, tokens, {0, 2}, visit);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
}

TEST(ScoredTokens, AreTheSecondHalfWithoutTheLast) {
  for (auto [context, scored] : {std::pair{32, 15U}, {33, 16U}, {2, 0U}, {3, 1U}}) {
    DecodeOptions options;
    options.context = context;
    options.batch = context;
    EXPECT_EQ(scored_tokens(ChunkDecoder(running().model, options)), scored) << context;
  }
}

TEST(DecodeChunksDeathTest, RangesAreChecked) {
  std::vector<int32_t> tokens = text_tokens(4 * kContext);
  auto decoders = make_decoders(1, 2);
  EXPECT_DEATH(decode_chunks(decoders, tokens, {1, 2}, [](const DecodedChunk&) {}), "range.first");
  EXPECT_DEATH(decode_chunks(decoders, tokens, {2, 3}, [](const DecodedChunk&) {}), "tokens.size");
  EXPECT_DEATH(decode_chunks({}, tokens, {0, 2}, [](const DecodedChunk&) {}), "decoders.empty");
}

}  // namespace
}  // namespace fakequant
