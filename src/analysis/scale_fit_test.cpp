#include "analysis/scale_fit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "formats/round_to_grid.h"

namespace fakequant {
namespace {

CodeLevels levels_of_grid(const FloatGrid& grid) {
  return CodeLevels::of({.grid = grid});
}

std::vector<float> products(const std::vector<double>& codes, float scale, const FloatGrid& storage) {
  std::vector<float> values;
  for (double code : codes) values.push_back(static_cast<float>(code) * scale);
  round_to_grid(storage, Rounding::rne, Overflow::infinite, values);
  return values;
}

TEST(CodeLevels, NearestIsTheLevelThatNoOtherIsNearerThan) {
  const CodeLevels all[] = {levels_of_grid(kE2M1),
                            levels_of_grid(kE4M3),
                            levels_of_grid(kE5M2),
                            levels_of_grid(kE4M3Fnuz),
                            levels_of_grid(kE2M3),
                            CodeLevels::whole_numbers(-8, 7),
                            CodeLevels({-1, -0.25, 0, 0.3, 2}),
                            CodeLevels::of({.grid = LevelGrid{LevelTable::nf4}})};
  for (const CodeLevels& levels : all) {
    const double most = std::max(levels.values().back(), -levels.values().front());
    for (int i = -4000; i <= 4000; ++i) {
      // Close to zero too, where floats have their subnormals.
      for (double scale : {most / 3000, most / 3e6}) {
        const double quotient = i * scale;
        double distance = INFINITY;
        for (double level : levels.values()) distance = std::min(distance, std::abs(level - quotient));
        EXPECT_EQ(std::abs(levels.nearest(quotient) - quotient), distance) << quotient;
      }
    }
  }
}

TEST(CodeLevels, OuterOnesAreThoseFromHalfOfTheLargestOn) {
  const CodeLevels levels = CodeLevels::whole_numbers(-8, 7);
  EXPECT_TRUE(std::ranges::equal(levels.outer(false), std::vector<double>{7, 6, 5, 4}));
  EXPECT_TRUE(std::ranges::equal(levels.outer(true), std::vector<double>{-8, -7, -6, -5, -4}));
  EXPECT_EQ(levels_of_grid(kE4M3).outer(false).size(), 9u);  // 448, 416, ... 256, 240, 224
  EXPECT_TRUE(std::ranges::equal(levels.mirrored().outer(false), std::vector<double>{8, 7, 6, 5, 4}));
}

TEST(CodeLevels, WithinIsAboutEveryLevel) {
  EXPECT_TRUE(levels_of_grid(kE5M2).within(levels_of_grid(kE5M2Fnuz)));
  EXPECT_FALSE(levels_of_grid(kE4M3).within(levels_of_grid(kE4M3Fnuz)));  // 448
  EXPECT_TRUE(CodeLevels::whole_numbers(-7, 7).within(CodeLevels::whole_numbers(-8, 7)));
}

// By hand: F16 has steps of 2^-10 between 1 and 2, of 2^-11 below 1.
TEST(ScalesBetween, AreHalfAStepToBothSidesAndLessBelowAPowerOfTwo) {
  const ProductRounding f16{kF16, 0};
  ScaleInterval scales = scales_between(f16, 1.5f, 3);
  EXPECT_EQ(scales.low, (1.5 - 0x1p-11) / 3);
  EXPECT_EQ(scales.high, (1.5 + 0x1p-11) / 3);
  scales = scales_between(f16, -1.0f, -2);
  EXPECT_EQ(scales.low, (1 - 0x1p-12) / 2);
  EXPECT_EQ(scales.high, (1 + 0x1p-11) / 2);
  scales = scales_between(f16, 0x1p-24f, 1);  // the smallest subnormal: steps are as wide below it
  EXPECT_EQ(scales.low, 0x1p-25);
  EXPECT_EQ(scales.high, 0x1.8p-24);
  scales = scales_between({kBf16, 0}, 1.5f, 1);
  EXPECT_EQ(scales.high, 1.5 + 0x1p-8);
}

// However the roundings of the products fall: the scale that gave a value is never shut out.
TEST(ScalesBetween, HoldTheScaleThatGaveTheValue) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(1.0f, 2.0f);
  for (const FloatGrid& storage : {kF16, kBf16, kF32}) {
    for (int i = 0; i < 200000; ++i) {
      const float scale = uniform(random) * 0x1p-8f;
      const float block = static_cast<float>(random() % 8 + 8);
      const float code = static_cast<float>(random() % 127 + 1);
      float values[] = {code * scale, code * (block * scale)};
      round_to_grid(storage, Rounding::rne, Overflow::infinite, values);
      const ScaleInterval one = scales_between(one_product(storage), values[0], code);
      const ScaleInterval two = scales_between(two_products(storage), values[1], double{code} * block);
      ASSERT_TRUE(one.low <= scale && scale <= one.high) << scale << " " << code;
      ASSERT_TRUE(two.low <= scale && scale <= two.high) << scale << " " << block << " " << code;
    }
  }
}

TEST(ScalesIn, AreTheNumbersOfTheGridFromTheMiddleOutwards) {
  constexpr double kUlp = 0x1p-23;
  EXPECT_EQ(scales_in({1, 1 + 4 * kUlp}, kF32),
            (std::vector<float>{1 + 2 * kUlp, 1 + 3 * kUlp, 1 + kUlp, 1 + 4 * kUlp, 1}));
  EXPECT_EQ(scales_in({1, 2}, kF32).size(), 9u);
  EXPECT_EQ(scales_in({1.0004, 1.0021}, kF16), (std::vector<float>{1 + 0x1p-10f, 1 + 0x1p-9f}));
  EXPECT_TRUE(scales_in({1.0002, 1.0008}, kF16).empty());
  EXPECT_TRUE(scales_in({1e6, 2e6}, kF16).empty());
}

TEST(ScalesFor, KeepTheTrueScaleAndEndAtTheFirstImpossibleValue) {
  const CodeLevels levels = levels_of_grid(kE2M1);
  for (const FloatGrid& storage : {kF16, kBf16, kF32}) {
    const float scale = 0.0123456f;
    std::vector<float> values = products({6, -0.5, 3, 0, 1.5, -4}, scale, storage);
    const ProductRounding rounding = one_product(storage);
    const ScaleInterval start = scales_between(rounding, values[0], 6);
    ScaleInterval found = scales_for(levels, rounding, start, values);
    EXPECT_TRUE(found.possible());
    EXPECT_LE(found.low, scale);
    EXPECT_GE(found.high, scale);
    EXPECT_LE(found.high - found.low, start.high - start.low);
    EXPECT_FALSE(scales_for(levels, rounding, scales_between(rounding, values[0], 4), values).possible());
    values.push_back(5 * scale);
    EXPECT_FALSE(scales_for(levels, rounding, start, values).possible());
  }
}

// BF16 has eight bits: the largest of 127 codes is known to half a code only, and smaller ones have to say
// the scale.
TEST(ScaledLevels, EightBitCodesInBf16) {
  const ScaledLevels levels(CodeLevels::whole_numbers(-127, 127), kF32);
  std::vector<double> codes;
  for (int code = -127; code <= 127; ++code) codes.push_back(code);
  std::vector<float> scratch;
  for (int i = 0; i < 500; ++i) {
    const float scale = 0.001f * (1 + static_cast<float>(i) / 250);
    EXPECT_TRUE(levels.hold(kBf16, products(codes, scale, kBf16), scratch)) << scale;
  }
}

TEST(ScaledLevels, HoldProductsOfEveryScaleWhateverCodeIsTheLargest) {
  struct Case {
    CodeLevels levels;
    std::vector<double> codes;
  };
  const Case cases[] = {{levels_of_grid(kE4M3), {-0.013671875, 240, 1.25, 0, -96, 0.001953125 * 5}},
                        {levels_of_grid(kE5M2), {40960, -0.25, 7, 5, -1.75}},
                        {levels_of_grid(kE2M1), {4, -4, 0.5, 3, 1}},
                        {levels_of_grid(kE2M1), {1.5, -0.5, 1}},
                        {CodeLevels::whole_numbers(-8, 7), {5, -5, 3, 1}},
                        {CodeLevels::of({.grid = LevelGrid{LevelTable::nf4}}), {-1, 0.7229568362236023, 0}}};
  std::vector<float> scratch;
  for (const Case& c : cases) {
    const ScaledLevels levels(c.levels, kF32);
    for (const FloatGrid& storage : {kF16, kBf16, kF32}) {
      for (float scale : {1.0f, 0.7f, 0.33333f, 0.0111f, 1.7e-3f}) {
        std::vector<double> codes = c.codes;
        std::vector<float> values = products(codes, scale, storage);
        if (extreme_of(values) == 0 || !std::isfinite(extreme_of(values))) continue;
        EXPECT_TRUE(levels.hold(storage, values, scratch)) << scale;
      }
    }
  }
  const ScaledLevels e2m1(levels_of_grid(kE2M1), kF32);
  EXPECT_TRUE(e2m1.hold(kF32, std::vector<float>(16, 0.0f), scratch));
  EXPECT_FALSE(e2m1.hold(kF32, std::vector<float>{6, 5, 1}, scratch));
  EXPECT_FALSE(e2m1.hold(kF32, std::vector<float>{6, 3, 1, 0.3f}, scratch));
}

TEST(ScaledLevels, ScalesAreThoseThatTheirTypeHolds) {
  const CodeLevels levels = CodeLevels::whole_numbers(-8, 7);
  std::vector<double> codes{-8, 7, 5, 3, 1};
  std::vector<float> scratch;
  const float scale = 0.0123456f;  // not in F16
  EXPECT_TRUE(ScaledLevels(levels, kF32).hold(kF32, products(codes, scale, kF32), scratch));
  EXPECT_FALSE(ScaledLevels(levels, kF16).hold(kF32, products(codes, scale, kF32), scratch));
  EXPECT_TRUE(ScaledLevels(levels, kF16).hold(kF32, products(codes, 0x1.954p-7f, kF32), scratch));
  // Negative ones only where there are any: -8 x -s is +8 s.
  EXPECT_FALSE(ScaledLevels(levels, kF32).hold(kF32, products(codes, -scale, kF32), scratch));
  EXPECT_TRUE(ScaledLevels(levels, kF32, true).hold(kF32, products(codes, -scale, kF32), scratch));
}

TEST(FitPowerOfTwoScale, DecidesFromBits) {
  const BlockFormat mxfp4{
      .grid = kE2M1, .extent = ScaleExtent::group, .group_values = 32, .scale_type = ScaleType::e8m0};
  BlockFormat mxint8 = mxfp4;
  mxint8.grid = IntegerGrid{8, IntegerScheme::full};
  using Values = std::vector<float>;
  EXPECT_TRUE(fit_power_of_two_scale(mxfp4, Values{6, -0.5f, 3, 0, -0.0f}));
  EXPECT_TRUE(fit_power_of_two_scale(mxfp4, Values{0x1.8p-20f, 0x1p-23f}));  // 6 and 0.5 times 2^-22
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{0x1.8p-20f, 0x1p-24f}));
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{5, 1}));
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{8, 0.5f}));
  EXPECT_TRUE(fit_power_of_two_scale(mxfp4, Values{0, 0}));
  EXPECT_TRUE(fit_power_of_two_scale(mxfp4, Values{0x1p-128f}));  // 0.5 times 2^-127
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{0x1p-129f}));
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{1, NAN}));
  EXPECT_FALSE(fit_power_of_two_scale(mxfp4, Values{1, INFINITY}));
  EXPECT_TRUE(fit_power_of_two_scale(mxint8, Values{127.0f / 64, 1.0f / 64}));
  EXPECT_TRUE(fit_power_of_two_scale(mxint8, Values{-2, 1.0f / 64}));
  EXPECT_FALSE(fit_power_of_two_scale(mxint8, Values{2, 1.0f / 64}));
  EXPECT_FALSE(fit_power_of_two_scale(mxint8, Values{1, 1.0f / 128}));
}

TEST(TwoLevelScales, RestoreProductsInTheOrderOfTheFormat) {
  const TwoLevelScales scales;
  const float tensor_scale = 1.2345e-4f;
  for (const FloatGrid& storage : {kF16, kBf16, kF32}) {
    std::vector<float> values;
    for (float block : {448.0f, 13.0f, 0.0f, 0x1p-9f, 30.0f}) {
      for (size_t i = 0; i < TwoLevelScales::kBlock; ++i) {
        const float code = std::vector<float>{6, -0.5f, 1.5f, 0, 3, -4, 2, 1}[i % 8];
        values.push_back(code * (block * tensor_scale));
      }
    }
    round_to_grid(storage, Rounding::rne, Overflow::infinite, values);
    std::vector<float> scratch;
    EXPECT_TRUE(scales.restore(storage, tensor_scale, values, scratch));
    EXPECT_FALSE(scales.restore(storage, tensor_scale * 1.01f, values, scratch));
    values[18] *= 1.1f;
    EXPECT_FALSE(scales.restore(storage, tensor_scale, values, scratch));
  }
  EXPECT_EQ(scales.products().values().back(), 2688);
}

}  // namespace
}  // namespace fakequant
