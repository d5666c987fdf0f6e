#include "formats/fake_quantize.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "formats/random_words.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

constexpr size_t kRow = 64;

// Whole rows in pieces of these many, each told where it begins.
std::vector<float> restored_in_pieces(const BlockFormat& format, std::vector<float> values,
                                      size_t rows_at_once, uint64_t key) {
  TensorContext context{.range = scale_range(values), .random_key = key};
  for (size_t first = 0; first < values.size(); first += rows_at_once * kRow) {
    context.first_value = first;
    fake_quantize_rows(format, kRow, context,
                       {&values[first], std::min(rows_at_once * kRow, values.size() - first)});
  }
  return values;
}

// Stochastic formats included: a result depends on key and index alone.
TEST(FakeQuantizeRows, PiecesGiveWhatTheWholeTensorGives) {
  const std::vector<float> values = wild_blocks(kRow, 21, 1);
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    std::vector<float> whole = restored(format, kRow, values, 42);
    for (size_t rows_at_once : {1, 2, 5})
      ASSERT_TRUE(same_values(restored_in_pieces(format, values, rows_at_once, 42), whole)) << name;
  }
}

// Blocks longer than the words drawn at once, and first values that are no multiple of anything.
TEST(FakeQuantizeRows, LongRowsInPiecesGiveWhatTheWholeGives) {
  const std::vector<float> values = wild_values(20000, 2);
  for (const char* name :
       {"e4m3:sr", "bf16:sr", "int4:sr", "nf4:row:sr", "e2m1:tensor:sr", "int4:tensor:sr"}) {
    const BlockFormat format = own_format(name);
    std::vector<float> whole = restored(format, 20000, values, 7);
    std::vector<float> pieces = values;
    TensorContext context{.range = scale_range(values), .random_key = 7};
    if (format.extent == ScaleExtent::row) {
      fake_quantize_rows(format, 20000, context, pieces);
    } else {
      for (size_t first = 0; first < pieces.size();) {
        size_t count = std::min<size_t>(4097 + first % 3, pieces.size() - first);
        context.first_value = first;
        fake_quantize_rows(format, static_cast<int64_t>(count), context, {&pieces[first], count});
        first += count;
      }
    }
    EXPECT_TRUE(same_values(pieces, whole)) << name;
  }
}

TEST(FakeQuantizeRows, RowsMayRunInParallel) {
  const std::vector<float> values = wild_blocks(kRow, 64, 3);
  for (const char* name : {"bf16:sr", "mxfp4:sr", "nvfp4:sr", "nf4:sr", "int4:tensor:sr"}) {
    const BlockFormat format = own_format(name);
    std::vector<float> found = values;
    std::vector<std::thread> threads;
    for (size_t part = 0; part < 4; ++part) {
      threads.emplace_back([&, part] {
        TensorContext context{.range = scale_range(values), .random_key = 9, .first_value = part * 16 * kRow};
        fake_quantize_rows(format, kRow, context, {&found[part * 16 * kRow], 16 * kRow});
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(same_values(found, restored(format, kRow, values, 9))) << name;
  }
}

// Only stochastic formats look at the key.
TEST(FakeQuantizeRows, KeysDecideStochasticResultsAndNoOthers) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(kRow * 8);
  for (float& value : values) value = normal(random);
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    bool equal =
        static_cast<bool>(same_values(restored(format, kRow, values, 1), restored(format, kRow, values, 2)));
    EXPECT_EQ(equal, format.rounding != Rounding::sr) << name;
    EXPECT_EQ(parse_format(name).is_stochastic(), format.rounding == Rounding::sr) << name;
  }
  const std::string one = "blk.0.attn_q.weight";
  const std::string other = "blk.1.attn_q.weight";
  EXPECT_FALSE(same_values(restored("int4:sr", kRow, values, random_key(0, one)),
                           restored("int4:sr", kRow, values, random_key(0, other))));
  EXPECT_FALSE(same_values(restored("int4:sr", kRow, values, random_key(0, one)),
                           restored("int4:sr", kRow, values, random_key(1, one))));
}

TEST(FakeQuantizeRows, EachValueHasAWordOfItsOwn) {
  // 2.5 among codes of step 1, at many places: words that repeat would repeat their choices.
  std::vector<float> values(8192, 2.5f);
  for (const char* name : {"int4:group=32:sr", "int4:row:sr", "mxfp4:sr", "int4:tensor:sr"}) {
    for (size_t i = 0; i < values.size(); i += 32) values[i] = 7.0f;
    std::vector<float> found = restored(name, 8192, values, 11);
    for (size_t shift : {1u, 2u, 16u, 32u, 64u, 4096u}) {
      size_t equal = 0;
      size_t compared = 0;
      for (size_t i = 0; i + shift < found.size(); ++i) {
        if (i % 32 == 0 || (i + shift) % 32 == 0) continue;
        equal += found[i] == found[i + shift] ? 1 : 0;
        ++compared;
      }
      EXPECT_NEAR(static_cast<double>(equal), compared / 2.0, 5 * std::sqrt(compared / 4.0))
          << name << " " << shift;
    }
  }
}

TEST(FakeQuantizeRows, ScaleExtentsShareWhatTheyName) {
  const std::vector<float> values{7.0f, 1.0f, 3.5f, 0.5f, 14.0f, 2.0f, 28.0f, 4.0f};
  EXPECT_EQ(restored("int4:group=2", 4, values), (std::vector<float>{7, 1, 3.5, 0.5, 14, 2, 28, 4}));
  // Scales 1 and 4: 3.5, 0.5, 14 and 2 are ties.
  EXPECT_EQ(restored("int4:row", 4, values), (std::vector<float>{7, 1, 4, 0, 16, 0, 28, 4}));
  EXPECT_EQ(restored("int4:tensor", 4, values), (std::vector<float>{8, 0, 4, 0, 16, 0, 28, 4}));
}

TEST(FakeQuantizeRows, RowsThatDoNotDivideIntoGroupsAreRefused) {
  std::vector<float> values(96);
  EXPECT_THROW(fake_quantize_rows(own_format("int4:group=4"), 10, {}, {values.data(), 20}), Error);
  EXPECT_THROW(fake_quantize_rows(own_format("mxfp4"), 48, {}, values), Error);
  EXPECT_THROW(fake_quantize_rows(own_format("nvfp4"), 24, {}, values), Error);
  EXPECT_THROW(fake_quantize_rows(own_format("nf4"), 96, {}, values), Error);
  EXPECT_NO_THROW(fake_quantize_rows(own_format("mxfp4"), 96, {}, values));
}

TEST(FakeQuantizeRows, NothingToRoundIsFine) {
  for (const std::string& name : every_own_format()) EXPECT_TRUE(restored(name, 64, {}).empty()) << name;
}

}  // namespace
}  // namespace fakequant
