#include "engine/text_generator.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "engine/non_finite.h"
#include "engine/prompt.h"
#include "engine/weights.h"

namespace fakequant {
namespace {

LoadedModel load_demo() {
  return LoadedModel::load({std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf"}, {},
                           LoadedModel::Weights::loaded);
}

const LoadedModel& demo() {
  static const LoadedModel model = load_demo();
  return model;
}

DecodeOptions options(int context, int threads = 1) {
  DecodeOptions result;
  result.context = context;
  result.threads = threads;
  return result;
}

constexpr Sampling kGreedy{0, 1};
constexpr Sampling kDrawn{0.8, 42};

TEST(TextGenerator, RoundsTheContextUpToAMultipleOf256) {
  EXPECT_EQ(TextGenerator(demo(), options(1)).context(), 256);
  EXPECT_EQ(TextGenerator(demo(), options(257)).context(), 512);
}

TEST(TextGenerator, ReadsTokensAfterThoseBefore) {
  std::vector<int32_t> prompt = prompt_tokens(demo(), "a tall tree with");
  TextGenerator generator(demo(), options(64));
  EXPECT_EQ(generator.read(prompt).size(), static_cast<size_t>(demo().vocabulary_size()));
  size_t wanted = largest(generator.read(std::vector<int32_t>{300}));
  EXPECT_EQ(generator.position(), static_cast<int>(prompt.size()) + 1);
  generator.clear();
  EXPECT_EQ(generator.position(), 0);
  prompt.push_back(300);
  EXPECT_EQ(largest(generator.read(prompt)), wanted);
}

TEST(TextGenerator, GreedyTextIsWhatIsMostLikelyEachTime) {
  std::vector<int32_t> prompt = prompt_tokens(demo(), "a tall tree with");
  TextGenerator generator(demo(), options(64));
  GeneratedTokens made = generator.generate(prompt, kGreedy, 20);
  EXPECT_EQ(made.tokens.size(), 20U);
  EXPECT_EQ(made.top_count, 20U);
  EXPECT_FALSE(made.ended);
  EXPECT_EQ(generator.most_likely(prompt, made.tokens), made.tokens);
}

TEST(TextGenerator, TextsDoNotDependOnThreadsAndWhatWasBefore) {
  std::vector<int32_t> prompt = prompt_tokens(demo(), "Hello");
  TextGenerator generator(demo(), options(64));
  std::vector<int32_t> wanted = generator.generate(prompt, kDrawn, 40).tokens;
  generator.generate(prompt, kGreedy, 10);
  EXPECT_EQ(generator.generate(prompt, kDrawn, 40).tokens, wanted);
  // Few tokens: two threads wait for each other spinning, which takes long on a busy machine.
  TextGenerator other(demo(), options(64, 2));
  wanted.resize(3);
  EXPECT_EQ(other.generate(prompt, kDrawn, 3).tokens, wanted);
}

TEST(TextGenerator, ADrawnTextHasTokensThatAreNotTheMostLikely) {
  TextGenerator generator(demo(), options(64));
  GeneratedTokens made = generator.generate(prompt_tokens(demo(), "Hello"), kDrawn, 40);
  EXPECT_LT(made.top_count, 40U);
  EXPECT_GT(made.top_count, 0U);
}

TEST(TextGenerator, EndsWhereTheContextIsFull) {
  TextGenerator generator(demo(), options(256));
  std::vector<int32_t> prompt = prompt_tokens(demo(), "Hello");
  EXPECT_EQ(generator.generate(prompt, kGreedy, 1000).tokens.size(), 256 - prompt.size());
}

TEST(TextGenerator, RefusesAPromptThatLeavesNoRoom) {
  TextGenerator generator(demo(), options(256));
  std::vector<int32_t> prompt(255, 300);
  EXPECT_EQ(generator.generate(prompt, kGreedy, 5).tokens.size(), 1U);
  prompt.push_back(300);
  try {
    generator.generate(prompt, kGreedy, 5);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("found a prompt of 256 tokens, wanted at most 255"),
              std::string::npos)
        << error.what();
  }
}

TEST(TextGenerator, MostLikelyTokensDoNotDependOnTheBatch) {
  std::vector<int32_t> prompt = prompt_tokens(demo(), "a tall tree with number 47 and some more words");
  DecodeOptions small = options(128);
  TextGenerator whole(demo(), small);
  std::vector<int32_t> continuation = whole.generate(prompt, kDrawn, 50).tokens;
  std::vector<int32_t> wanted = whole.most_likely(prompt, continuation);
  ASSERT_EQ(wanted.size(), continuation.size());
  EXPECT_NE(wanted, continuation);
  for (int batch : {1, 7, static_cast<int>(prompt.size())}) {
    small.batch = batch;
    EXPECT_EQ(TextGenerator(demo(), small).most_likely(prompt, continuation), wanted) << batch;
  }
  EXPECT_TRUE(whole.most_likely(prompt, {}).empty());
}

TEST(TextGenerator, NamesLogitsThatAreNotNumbers) {
  LoadedModel model = load_demo();
  ModelWeights weights(model, 256);
  std::vector<std::byte> bytes(weights.bytes("output_norm.weight"));
  weights.read("output_norm.weight", bytes);
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::copy_n(reinterpret_cast<const std::byte*>(&nan), sizeof(nan), bytes.begin());
  weights.exchange("output_norm.weight", bytes);
  TextGenerator generator(model, options(64));
  EXPECT_THROW(generator.read(std::vector<int32_t>{300}), NonFiniteError);
}

TEST(TextGenerator, TellsItsMemory) {
  uint64_t small = TextGenerator(demo(), options(256)).memory_bytes();
  uint64_t large = TextGenerator(demo(), options(1024)).memory_bytes();
  EXPECT_GT(small, 100'000U);
  // The cache alone has keys and values of F16 for each token more.
  EXPECT_GT(large - small, 3 * 256 * 2 * sizeof(uint16_t));
}

TEST(Largest, IsTheFirstOfSeveral) {
  EXPECT_EQ(largest(std::vector<float>{1, 3, 2, 3}), 1U);
  EXPECT_EQ(largest(std::vector<float>{-5}), 0U);
}

}  // namespace
}  // namespace fakequant
