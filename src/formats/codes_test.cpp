#include "formats/codes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/grid_oracle.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

// Every float of at most 8 bits; the names of the catalog are among them.
std::vector<FloatGrid> small_grids() {
  std::vector<FloatGrid> grids;
  for (int exponent_bits = 2; exponent_bits <= 7; ++exponent_bits) {
    for (int mantissa_bits = 0; 1 + exponent_bits + mantissa_bits <= 8; ++mantissa_bits) {
      for (FloatKind kind : kAllKinds) grids.push_back(float_grid(exponent_bits, mantissa_bits, kind));
    }
  }
  return grids;
}

std::vector<float> values_of(const BlockFormat& format) {
  std::vector<float> values;
  for (const Code& code : codes_of(format)) values.push_back(code.value);
  return values;
}

TEST(CodesOf, FloatsListEveryCodeInTheOrderOfItsBits) {
  for (const FloatGrid& grid : small_grids()) {
    std::vector<Code> codes = codes_of({.grid = grid});
    ASSERT_EQ(codes.size(), size_t{1} << grid.code_bits());
    const std::vector<long double> magnitudes = GridOracle(grid).magnitudes();
    const size_t half = codes.size() / 2;
    for (size_t i = 0; i < codes.size(); ++i) {
      EXPECT_EQ(codes[i].bits, i);
      size_t magnitude = i % half;
      if (grid.kind == FloatKind::fnuz && i == half) {
        EXPECT_TRUE(std::isnan(codes[i].value));
      } else if (magnitude < magnitudes.size()) {
        auto wanted = static_cast<float>(magnitudes[magnitude]);
        EXPECT_TRUE(same(codes[i].value, i < half ? wanted : -wanted));
      } else if (grid.kind == FloatKind::ieee && magnitude == magnitudes.size()) {
        EXPECT_EQ(codes[i].value, i < half ? kInf : -kInf);
      } else {
        EXPECT_TRUE(std::isnan(codes[i].value));
      }
    }
  }
}

TEST(CodesOf, IntegersAreTwosComplementAndZeroPointsCountFromTheLowest) {
  EXPECT_EQ(values_of(own_format("int3")), (std::vector<float>{0, 1, 2, 3, -3, -2, -1}));
  EXPECT_EQ(values_of(own_format("int3:full")), (std::vector<float>{0, 1, 2, 3, -4, -3, -2, -1}));
  EXPECT_EQ(values_of(own_format("int3:asym")), (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(codes_of(own_format("int3"))[4].bits, 5u);
  std::vector<float> mx = values_of(own_format("mxint8"));
  ASSERT_EQ(mx.size(), 256u);
  EXPECT_EQ(mx[1], 1.0f / 64);
  EXPECT_EQ(mx[127], 127.0f / 64);
  EXPECT_EQ(mx[128], -2.0f);
  for (int bits = 2; bits <= 16; ++bits) {
    EXPECT_EQ(values_of(own_format(fmt::format("int{}:full", bits))).size(), size_t{1} << bits);
    EXPECT_EQ(values_of(own_format(fmt::format("int{}", bits))).size(), (size_t{1} << bits) - 1);
  }
}

TEST(CodesOf, LevelsAreListedInAscendingOrder) {
  std::vector<float> levels = values_of(own_format("nf4"));
  EXPECT_TRUE(std::equal(levels.begin(), levels.end(), levels_of(LevelTable::nf4).begin()));
  EXPECT_EQ(levels.size(), 16u);
}

TEST(CodesOfDeathTest, LongerCodesAreNotListed) {
  EXPECT_DEATH(codes_of(own_format("tf32")), "");
}

// A code's value stays under every rounding, whatever the random word.
TEST(Codes, OfEveryScalarFormatRoundToThemselves) {
  std::vector<FloatGrid> grids = small_grids();
  grids.push_back(kF16);
  grids.push_back(kBf16);
  for (const FloatGrid& grid : grids) {
    std::vector<float> values = values_of({.grid = grid});
    std::vector<uint32_t> words(values.size(), ~0u);
    for (Rounding rounding : kAllRoundings) {
      for (Overflow overflow : {Overflow::infinite, Overflow::saturate}) {
        std::vector<float> found = values;
        if (overflow == Overflow::saturate)
          std::replace_if(
              found.begin(), found.end(), [](float x) { return std::isinf(x); }, 0.0f);
        std::vector<float> wanted = found;
        round_to_grid(grid, rounding, overflow, found, words);
        ASSERT_TRUE(same_values(found, wanted)) << canonical_name({.grid = grid});
      }
    }
  }
}

// Every finite code times `unit`, under the range that makes the scale `unit`: the largest code where that is
// what scales are computed from.
std::vector<float> under_pinned_range(const BlockFormat& format, float unit) {
  std::vector<float> values = values_of(format);
  std::erase_if(values, [](float x) { return !std::isfinite(x); });
  float top = *std::max_element(values.begin(), values.end());
  if (const auto* integers = std::get_if<IntegerGrid>(&format.grid);
      integers && integers->scheme == IntegerScheme::full)
    top += 0.5f;
  for (float& value : values) value *= unit;
  std::vector<float> found = values;
  round_with_range(format, {.amax = top * unit, .min = 0, .max = top * unit}, {}, found);
  EXPECT_TRUE(same_values(found, values)) << canonical_name(format) << " unit " << unit;
  return found;
}

TEST(Codes, OfEveryFormatWithAScaleOfItsOwnAreRestored) {
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    if (format.extent != ScaleExtent::tensor || code_bits(format.grid) > 8) continue;
    for (float unit : {1.0f, 0x1p-10f, 0x1p12f}) under_pinned_range(format, unit);
  }
  // Every small float has a form with a scale.
  for (const FloatGrid& grid : small_grids()) {
    if (grid.exponent_bits > 5) continue;
    for (Rounding rounding : kAllRoundings) {
      BlockFormat format{.grid = grid, .extent = ScaleExtent::tensor, .rounding = rounding};
      for (float unit : {1.0f, 0x1p-80f, 0x1p60f}) under_pinned_range(format, unit);
    }
  }
}

// Blocks whose first value is the largest code, so that the scale is `unit`.
TEST(Codes, OfEveryBlockFormatAreRestored) {
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    bool power = format.scale_type == ScaleType::e8m0;
    if (!power && format.scale_type != ScaleType::e4m3_tensor) continue;
    std::vector<float> codes = values_of(format);
    std::erase_if(codes, [](float x) { return !std::isfinite(x); });
    float top = *std::max_element(codes.begin(), codes.end());
    // ceil takes the next power of two for the block: larger codes have a block to themselves.
    if (power && format.scale_rule == ScaleRule::ceil) top = std::exp2(std::floor(std::log2(top)));
    std::erase_if(codes, [&](float x) { return std::abs(x) > top; });
    for (float unit : {1.0f, 0x1p-20f, 0x1p30f}) {
      auto block = static_cast<size_t>(format.group_values);
      std::vector<float> values;
      for (size_t i = 0; i < codes.size();) {
        values.push_back(top * unit);
        while (values.size() % block != 0) values.push_back(codes[i++ % codes.size()] * unit);
      }
      std::vector<float> found = values;
      TensorContext context{.range = {.amax = 6.0f * 448.0f * unit}, .random_key = 5};
      fake_quantize_rows(format, static_cast<int64_t>(values.size()), context, found);
      EXPECT_TRUE(same_values(found, values)) << name << " unit " << unit;
    }
  }
}

}  // namespace
}  // namespace fakequant
