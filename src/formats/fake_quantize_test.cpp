#include "formats/fake_quantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/error.h"
#include "base/testing.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant {
namespace {

using base_testing::read_golden;

float from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t to_bits(float value) {
  return std::bit_cast<uint32_t>(value);
}

// NaN by class, as the golden README asks.
bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : to_bits(a) == to_bits(b);
}

float rounded(const FloatGrid& grid, Rounding rounding, Overflow overflow, float value) {
  round_to_grid(grid, rounding, overflow, {&value, 1});
  return value;
}

std::vector<float> quantized(const char* format, int64_t row_length, std::vector<float> values) {
  ScaleRange tensor = scale_range(values);
  fake_quantize_rows(std::get<BlockFormat>(parse_format(format).kind), row_length, {tensor}, values);
  return values;
}

TEST(FakeQuantizeRows, RestrictedInt4OfAHandComputedRow) {
  // amax 7, scale 1: 0.5 and 1.5 are ties and go to even codes.
  std::vector<float> found = quantized("int4", 6, {7.0f, -7.0f, 0.5f, 1.5f, -2.4f, 0.0f});
  EXPECT_EQ(found, (std::vector<float>{7.0f, -7.0f, 0.0f, 2.0f, -2.0f, 0.0f}));
  EXPECT_EQ(quantized("int4:rtz", 4, {7.0f, 1.9f, -1.9f, 0.4f}),
            (std::vector<float>{7.0f, 1.0f, -1.0f, 0.0f}));
  EXPECT_EQ(quantized("int4:rna", 4, {7.0f, 0.5f, -0.5f, 1.5f}),
            (std::vector<float>{7.0f, 1.0f, -1.0f, 2.0f}));
}

TEST(FakeQuantizeRows, FullIntegersUseTheLowestCodeAndClipTheLargestValue) {
  // amax 7.5, scale 1: -7.5 ties to code -8, +7.5 clips to 7.
  EXPECT_EQ(quantized("int4:full", 2, {7.5f, -7.5f}), (std::vector<float>{7.0f, -8.0f}));
}

TEST(FakeQuantizeRows, AsymmetricIntegersKeepZeroExact) {
  std::vector<float> found = quantized("int2:asym", 4, {3.0f, 0.0f, 1.2f, 2.0f});
  EXPECT_EQ(found, (std::vector<float>{3.0f, 0.0f, 1.0f, 2.0f}));
}

TEST(FakeQuantizeRows, AnAllZeroBlockGivesZerosAndNanPassesThrough) {
  for (const char* format : {"int4:group=2", "int4:full:group=2", "int4:asym:group=2", "int4:tensor"}) {
    std::vector<float> found = quantized(format, 4, {0.0f, -0.0f, 0.0f, 0.0f});
    for (float value : found) EXPECT_EQ(to_bits(value), 0u) << format;
    found = quantized(format, 4, {NAN, 0.0f, 1.0f, NAN});
    EXPECT_TRUE(std::isnan(found[0]) && std::isnan(found[3])) << format;
    EXPECT_FALSE(std::isnan(found[1]) || std::isnan(found[2])) << format;
  }
}

TEST(FakeQuantizeRows, InfinityBecomesTheLargestCodeOfItsSign) {
  EXPECT_EQ(quantized("int4", 4, {INFINITY, -INFINITY, 7.0f, 1.0f}),
            (std::vector<float>{7.0f, -7.0f, 7.0f, 1.0f}));
}

TEST(FakeQuantizeRows, AScaleWhoseReciprocalOverflowsIsDividedBy) {
  float tiny = 0x1p-130f;
  std::vector<float> found = quantized("int4", 3, {7 * tiny, 3 * tiny, -tiny});
  EXPECT_EQ(found, (std::vector<float>{7 * tiny, 3 * tiny, -tiny}));
  float smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(quantized("int16", 2, {smallest, 0.0f}), (std::vector<float>{0.0f, 0.0f}));
}

TEST(FakeQuantizeRows, StoredScalesAreRounded) {
  // amax 10, scale 10/7: F16 holds 1.4287109375, BF16 1.4296875.
  EXPECT_EQ(quantized("int4:scale_type=f16", 1, {10.0f})[0], 7 * 1.4287109375f);
  EXPECT_EQ(quantized("int4:scale_type=bf16", 1, {10.0f})[0], 7 * 1.4296875f);
  EXPECT_EQ(quantized("int4:scale_type=f16", 1, {1e9f})[0], 7 * 65504.0f);
  EXPECT_EQ(quantized("int4:scale_type=f16", 1, {1e-9f})[0], 0.0f);
}

TEST(FakeQuantizeRows, ExtremesOfF32NeverMakeInfOrNan) {
  float max = std::numeric_limits<float>::max();
  for (const char* format : {"int8", "int8:asym", "int8:full", "int2:asym", "int16:tensor"}) {
    for (float value : quantized(format, 4, {max, -max, 1.0f, 0.0f}))
      EXPECT_TRUE(std::isfinite(value)) << format;
  }
}

TEST(FakeQuantizeRows, ErrorOfRestrictedIntegersIsAtMostHalfAStep) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (int bits = 2; bits <= 16; ++bits) {
    std::vector<float> values(256);
    for (float& value : values) value = normal(random);
    auto format = std::get<BlockFormat>(parse_format(fmt::format("int{}:group=64", bits)).kind);
    std::vector<float> found = values;
    fake_quantize_rows(format, 256, {}, found);
    for (size_t i = 0; i < values.size(); ++i) {
      ScaleRange range = scale_range(std::span(values).subspan(i / 64 * 64, 64));
      float step = range.amax / static_cast<float>((1 << (bits - 1)) - 1);
      // Half a step, and the roundings of scale, product and quotient.
      EXPECT_LE(std::abs(found[i] - values[i]), step * 0.5f + range.amax * 0x1p-22f);
    }
  }
}

TEST(FakeQuantizeRows, RowsThatDoNotDivideIntoGroupsAreRefused) {
  std::vector<float> values(10);
  EXPECT_THROW(fake_quantize_rows(std::get<BlockFormat>(parse_format("int4:group=4").kind), 10, {}, values),
               Error);
}

}  // namespace
}  // namespace fakequant
