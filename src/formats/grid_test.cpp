#include "formats/grid.h"

#include <gtest/gtest.h>

#include "formats/grid_oracle.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

struct Facts {
  FloatGrid grid;
  int bias;
  double max;
  double min_normal;
  double min_subnormal;
};

// docs/formats.md, and the specifications behind it.
TEST(FloatGrids, HaveTheLimitsOfTheirSpecifications) {
  const Facts facts[] = {
      {kF32, 127, kFloatMax, 0x1p-126, 0x1p-149},
      {kBf16, 127, 0x1.FEp127, 0x1p-126, 0x1p-133},
      {kTf32, 127, 0x1.FFCp127, 0x1p-126, 0x1p-136},
      {kF16, 15, 65504, 0x1p-14, 0x1p-24},
      {kE4M3, 7, 448, 0x1p-6, 0x1p-9},
      {kE5M2, 15, 57344, 0x1p-14, 0x1p-16},
      {kE4M3Fnuz, 8, 240, 0x1p-7, 0x1p-10},
      {kE5M2Fnuz, 16, 57344, 0x1p-15, 0x1p-17},
      {kE3M2, 3, 28, 0x1p-2, 0x1p-4},
      {kE2M3, 1, 7.5, 1, 0x1p-3},
      {kE2M1, 1, 6, 1, 0.5},
  };
  for (const auto& [grid, bias, max, min_normal, min_subnormal] : facts) {
    EXPECT_EQ(grid.bias, bias);
    EXPECT_EQ(grid.max_value(), max);
    EXPECT_EQ(grid.min_normal(), min_normal);
    EXPECT_EQ(grid.min_subnormal(), min_subnormal);
  }
}

TEST(FloatGrids, AgreeWithTheListOfTheirValues) {
  for (int exponent_bits = 2; exponent_bits <= 8; ++exponent_bits) {
    for (int mantissa_bits = 0; mantissa_bits <= 22; ++mantissa_bits) {
      for (FloatKind kind : kAllKinds) {
        const FloatGrid grid = float_grid(exponent_bits, mantissa_bits, kind);
        const GridOracle oracle(grid);
        EXPECT_EQ(grid.bias, (1 << (exponent_bits - 1)) - (kind == FloatKind::fnuz ? 0 : 1));
        EXPECT_EQ(grid.max_value(), static_cast<double>(oracle.max()));
        EXPECT_EQ(grid.top_value_exponent(), std::ilogb(oracle.max()));
        EXPECT_EQ(grid.min_subnormal(), std::ldexp(1.0, grid.min_subnormal_exponent()));
        EXPECT_EQ(grid.min_normal(), std::ldexp(1.0, grid.min_exponent()));
        EXPECT_EQ(grid.code_bits(), 1 + exponent_bits + mantissa_bits);
        EXPECT_EQ(code_bits(grid), grid.code_bits());
        EXPECT_EQ(grid.has_infinity(), kind == FloatKind::ieee);
        // Without mantissa bits the one code at the top of ieee is Inf.
        EXPECT_EQ(grid.has_nan(), kind == FloatKind::ieee ? mantissa_bits > 0 : kind != FloatKind::finite);
        if (oracle.lists_values()) {
          // Without mantissa bits no code is below the smallest normal.
          long double smallest = oracle.magnitudes()[1];
          EXPECT_EQ(static_cast<double>(smallest), grid.min_subnormal());
        }
      }
    }
  }
}

TEST(Levels, AreBitsandbytesTableAndItsBounds) {
  std::vector<float> table = read_golden<float>("nf4_table16_bounds15.f32");
  ASSERT_EQ(table.size(), 31u);
  auto levels = levels_of(LevelTable::nf4);
  auto bounds = level_bounds_of(LevelTable::nf4);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(to_bits(levels[i]), to_bits(table[i])) << i;
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(to_bits(bounds[i]), to_bits(table[16 + i])) << i;
}

TEST(Levels, AscendFromMinusOneToOneAndBoundsLieHalfway) {
  auto levels = levels_of(LevelTable::nf4);
  auto bounds = level_bounds_of(LevelTable::nf4);
  EXPECT_EQ(levels.front(), -1.0f);
  EXPECT_EQ(levels.back(), 1.0f);
  for (size_t i = 0; i < bounds.size(); ++i) {
    EXPECT_LT(levels[i], bounds[i]);
    EXPECT_LT(bounds[i], levels[i + 1]);
    EXPECT_EQ(bounds[i], static_cast<float>((double{levels[i]} + double{levels[i + 1]}) / 2));
  }
}

TEST(CodeBits, OfIntegersAndLevels) {
  for (int bits = 2; bits <= 16; ++bits) EXPECT_EQ(code_bits(IntegerGrid{bits, IntegerScheme::full}), bits);
  EXPECT_EQ(code_bits(LevelGrid{LevelTable::nf4}), 4);
}

}  // namespace
}  // namespace fakequant
