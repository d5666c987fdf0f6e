#include "formats/scale_range.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

bool same_range(const ScaleRange& a, const ScaleRange& b) {
  return a.amax == b.amax && a.min == b.min && a.max == b.max;
}

ScaleRange range_by_definition(std::span<const float> values) {
  ScaleRange range;
  for (float value : values) {
    if (!std::isfinite(value)) continue;
    range.amax = std::max(range.amax, std::abs(value));
    range.min = std::min(range.min, value);
    range.max = std::max(range.max, value);
  }
  return range;
}

TEST(ScaleRangeOf, IgnoresWhatIsNotFinite) {
  std::vector<float> values{kNan, kInf, -3.0f, 2.0f, -kInf, from_bits(0xFF800001)};
  EXPECT_TRUE(same_range(scale_range(values), {.amax = 3, .min = -3, .max = 2}));
}

TEST(ScaleRangeOf, AlwaysHoldsZero) {
  EXPECT_TRUE(same_range(scale_range({}), {}));
  EXPECT_TRUE(same_range(scale_range(std::vector<float>{5.0f, 3.0f}), {.amax = 5, .min = 0, .max = 5}));
  EXPECT_TRUE(same_range(scale_range(std::vector<float>{-5.0f, -3.0f}), {.amax = 5, .min = -5, .max = 0}));
  EXPECT_TRUE(same_range(scale_range(std::vector<float>{-0.0f, kNan}), {}));
}

TEST(ScaleRangeOf, FindsExtremesAtEveryPlaceOfEveryLength) {
  for (size_t length : {size_t{1}, size_t{3}, size_t{16}, size_t{31}, size_t{32}, size_t{64}, size_t{131}}) {
    for (size_t place = 0; place < length; ++place) {
      std::vector<float> values(length, 0.5f);
      values[place] = -kDenormal;
      EXPECT_EQ(scale_range(values).min, -kDenormal);
      values[place] = kFloatMax;
      EXPECT_TRUE(same_range(scale_range(values), {.amax = kFloatMax, .min = 0, .max = kFloatMax}));
      values[place] = -kFloatMax;
      EXPECT_EQ(scale_range(values).amax, kFloatMax);
    }
  }
}

TEST(ScaleRangeOf, MergingIsExactInAnyOrder) {
  std::vector<float> values = wild_values(400, 1, /*finite=*/false);
  const ScaleRange whole = range_by_definition(values);
  EXPECT_TRUE(same_range(scale_range(values), whole));
  std::mt19937 random(2);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<ScaleRange> parts;
    for (size_t first = 0; first < values.size();) {
      size_t count = std::min(values.size() - first, static_cast<size_t>(random() % 90));
      parts.push_back(scale_range(std::span(values).subspan(first, count)));
      first += count;
    }
    std::shuffle(parts.begin(), parts.end(), random);
    ScaleRange merged;
    for (const ScaleRange& part : parts) merged.merge(part);
    EXPECT_TRUE(same_range(merged, whole));
  }
}

TEST(BlockExtremes, AreThoseOfEachRun) {
  std::vector<float> values = wild_values(64 * 33, 3, /*finite=*/false);
  for (size_t block : {size_t{1}, size_t{2}, size_t{11}, size_t{16}, size_t{32}, size_t{64}, size_t{96}}) {
    std::vector<float> amax(values.size() / block);
    std::vector<float> min(amax.size());
    std::vector<float> max(amax.size());
    block_amax(values.data(), block, amax);
    block_bounds(values.data(), block, min, max);
    for (size_t b = 0; b < amax.size(); ++b) {
      ScaleRange wanted = range_by_definition(std::span(values).subspan(b * block, block));
      EXPECT_TRUE(same_range({amax[b], min[b], max[b]}, wanted)) << block;
    }
  }
}

// What formats ask for whose blocks a NaN or Inf spoils.
TEST(BlockExtremes, AmaxOrSpecialShowsNanAndInf) {
  for (size_t block : {size_t{3}, size_t{16}, size_t{32}, size_t{48}}) {
    for (float special : {kInf, -kInf, kNan, -kNan, from_bits(0x7F800001)}) {
      for (size_t place = 0; place < block; ++place) {
        std::vector<float> values(2 * block, 2.0f);
        values[place] = special;
        float amax[2];
        block_amax_or_special(values.data(), block, amax);
        EXPECT_FALSE(std::isfinite(amax[0]));
        EXPECT_EQ(amax[1], 2.0f);
      }
    }
  }
}

}  // namespace
}  // namespace fakequant
