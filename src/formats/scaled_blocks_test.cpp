#include "formats/scaled_blocks.h"

#include <gtest/gtest.h>

#include <random>

#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

using Values = std::vector<float>;

// A block of 32 that begins with these values; the others are zeros.
Values block_of(Values values) {
  values.resize(32);
  return values;
}

Values first_of(const Values& values, size_t count) {
  return {values.begin(), values.begin() + static_cast<ptrdiff_t>(count)};
}

TEST(IntegerBlocks, RestrictedInt4OfAHandComputedRow) {
  // amax 7, scale 1: 0.5 and 1.5 are ties and go to even codes.
  EXPECT_EQ(restored("int4", 6, {7.0f, -7.0f, 0.5f, 1.5f, -2.4f, 0.0f}),
            (Values{7.0f, -7.0f, 0.0f, 2.0f, -2.0f, 0.0f}));
  EXPECT_EQ(restored("int4:rtz", 4, {7.0f, 1.9f, -1.9f, 0.4f}), (Values{7.0f, 1.0f, -1.0f, 0.0f}));
  EXPECT_EQ(restored("int4:rna", 4, {7.0f, 0.5f, -0.5f, 1.5f}), (Values{7.0f, 1.0f, -1.0f, 2.0f}));
  // 0.5 added in F32 would make a whole number of this.
  EXPECT_EQ(restored("int4:rna", 2, {7.0f, 0.49999997f}), (Values{7.0f, 0.0f}));
}

TEST(IntegerBlocks, FullIntegersUseTheLowestCodeAndClipTheLargestValue) {
  // amax 7.5, scale 1: -7.5 ties to code -8, +7.5 clips to 7.
  EXPECT_EQ(restored("int4:full", 2, {7.5f, -7.5f}), (Values{7.0f, -8.0f}));
}

TEST(IntegerBlocks, AsymmetricIntegersKeepZeroExact) {
  EXPECT_EQ(restored("int2:asym", 4, {3.0f, 0.0f, 1.2f, 2.0f}), (Values{3.0f, 0.0f, 1.0f, 2.0f}));
  // Range -1 to 2, widened to nothing; zero point 1.
  EXPECT_EQ(restored("int2:asym", 4, {-1.0f, 0.0f, 0.6f, 2.0f}), (Values{-1.0f, 0.0f, 1.0f, 2.0f}));
  // All values above zero: the range is widened to hold it.
  EXPECT_EQ(restored("int2:asym", 2, {2.0f, 3.0f}), (Values{2.0f, 3.0f}));
  // Range -1.5 to 1.5, scale 1, zero point 1.5 to even 2: codes -2..1, so the largest value clips by half a
  // step.
  EXPECT_EQ(restored("int2:asym", 2, {-1.5f, 1.5f}), (Values{-2.0f, 1.0f}));
}

TEST(FloatBlocks, ScaleIsTheLargestMagnitudeOverTheLargestCode) {
  // Scale 2: quotients 6, 5 (tie to 4), 0.75 (tie to 1), -0.25 (tie to -0).
  EXPECT_EQ(restored("e2m1:row", 4, {12.0f, 10.0f, 1.5f, -0.5f}), (Values{12.0f, 8.0f, 2.0f, 0.0f}));
  EXPECT_EQ(to_bits(restored("e2m1:row", 4, {12.0f, 10.0f, 1.5f, -0.5f})[3]), to_bits(-0.0f));
  EXPECT_EQ(restored("e4m3:row", 2, {896.0f, 0x1p-8f}), (Values{896.0f, 0x1p-8f}));
  EXPECT_EQ(to_bits(restored("e4m3fnuz:row", 2, {240.0f, -0.0f})[1]), 0u);
}

TEST(LevelBlocks, NearestLevelTimesTheLargestMagnitude) {
  auto levels = levels_of(LevelTable::nf4);
  auto bounds = level_bounds_of(LevelTable::nf4);
  for (float amax : {1.0f, 4.0f, 0x1p-100f}) {
    Values values{amax};
    Values wanted{amax};
    for (size_t i = 0; i < 15; ++i) {
      // What lies on a bound belongs to the lower level.
      values.insert(values.end(),
                    {bounds[i] * amax, std::nextafter(bounds[i], 2.0f) * amax, levels[i] * amax});
      wanted.insert(wanted.end(), {levels[i] * amax, levels[i + 1] * amax, levels[i] * amax});
    }
    auto row = static_cast<int64_t>(values.size());
    EXPECT_EQ(restored("nf4:row", row, values), wanted);
    // rna: above zero the upper one.
    Values away = restored("nf4:row:rna", row, values);
    for (size_t i = 0; i < 15; ++i) EXPECT_EQ(away[3 * i + 1], levels[bounds[i] > 0 ? i + 1 : i] * amax);
    Values cut = restored("nf4:row:rtz", row, values);
    for (size_t i = 0; i < 15; ++i) EXPECT_EQ(cut[3 * i + 1], levels[bounds[i] > 0 ? i : i + 1] * amax);
  }
}

TEST(MxBlocks, ScaleRulesOfAHandComputedBlock) {
  // amax 7: floor gives 4/4 = 1 and clips to 6; ceil 8/4, rceil 2^ceil(log2 7/6) and even (7 + 1 carries) 2.
  const Values block = block_of({7.0f, 0.5f, -1.25f, 5.0f});
  EXPECT_EQ(first_of(restored("mxfp4", 32, block), 4), (Values{6.0f, 0.5f, -1.0f, 4.0f}));
  for (const char* rule : {"ceil", "rceil", "even"}) {
    EXPECT_EQ(first_of(restored(std::string("mxfp4:scale=") + rule, 32, block), 4),
              (Values{8.0f, 0.0f, -1.0f, 4.0f}))
        << rule;
  }
  // amax 6: only ceil leaves the scale 1.
  const Values six = block_of({6.0f, 0.5f});
  for (const char* rule : {"floor", "rceil", "even"})
    EXPECT_EQ(first_of(restored(std::string("mxfp4:scale=") + rule, 32, six), 2), (Values{6.0f, 0.5f}))
        << rule;
  EXPECT_EQ(first_of(restored("mxfp4:scale=ceil", 32, six), 2), (Values{6.0f, 0.0f}));
}

// No logarithm in F32: just below a power of two it would round up, and the scale would be twice too large.
TEST(MxBlocks, FloorTakesTheExponentFromTheBits) {
  for (int exponent = -100; exponent <= 127; exponent += 7) {
    float below = std::nextafter(std::ldexp(1.0f, exponent), 0.0f);
    Values found = restored("mxfp4", 32, block_of({below, std::ldexp(1.0f, exponent - 4)}));
    EXPECT_EQ(found[0], std::ldexp(0.75f, exponent));
    EXPECT_EQ(found[1], std::ldexp(1.0f, exponent - 4));
  }
}

TEST(MxBlocks, Mxint8UsesMinusTwo) {
  EXPECT_EQ(first_of(restored("mxint8", 32, block_of({-1.999f, 1.999f, 1 / 64.0f, 1 / 128.0f})), 4),
            (Values{-2.0f, 127.0f / 64, 1 / 64.0f, 0.0f}));
  // Next to the end of F32 its product is beyond it; the largest positive one is not.
  Values found = restored("mxint8", 32, block_of({-kFloatMax, kFloatMax}));
  EXPECT_EQ(found[0], -kInf);
  EXPECT_EQ(found[1], 127.0f / 64 * 0x1p127f);
}

// Also where amax alone is special, where it is the only value, and under every rule and rounding.
TEST(MxBlocks, ANanOrAnInfMakesItsBlockNanAndNoOther) {
  for (const std::string& name : every_own_format()) {
    if (own_format(name).scale_type != ScaleType::e8m0) continue;
    for (float special : {kNan, from_bits(0xFF800001), kInf, -kInf}) {
      Values values(96, 1.0f);
      values[32 + 31] = special;
      Values found = restored(name, 96, values);
      for (size_t i = 0; i < 96; ++i) EXPECT_EQ(std::isnan(found[i]), i >= 32 && i < 64) << name;
    }
  }
}

TEST(MxBlocks, ScalesEndAt2ToThe127AndAt2ToTheMinus127) {
  // The smallest scale and element of MXFP8 E4M3: 2^-127 x 2^-9.
  EXPECT_EQ(restored("mxfp8_e4m3", 32, block_of({0x1p-136f}))[0], 0x1p-136f);
  EXPECT_EQ(restored("mxfp8_e4m3", 32, block_of({0x1p-138f}))[0], 0.0f);
  // MXINT8 alone reaches 2^127, and its smallest code there is 2^121.
  EXPECT_EQ(restored("mxint8", 32, block_of({0x1p127f, 0x1p121f}))[1], 0x1p121f);
}

TEST(TwoLevelBlocks, BlocksOfSmallScaleBecomeZeros) {
  // Tensor scale 1. A block scale of E4M3 ends at 2^-9: amax / 6 up to half of that is 0.
  Values values(48);
  values[0] = 2688.0f;
  values[16] = 6 * 0x1p-9f;
  values[32] = 6 * 0x1p-10f;
  Values found = restored("nvfp4", 48, values);
  EXPECT_EQ(found[0], 2688.0f);
  EXPECT_EQ(found[16], 6 * 0x1p-9f);
  EXPECT_EQ(to_bits(found[32]), 0u);
}

TEST(TwoLevelBlocks, BlockScalesEndAt448WhateverTheRangeSaysOfTheTensor) {
  // A tensor range smaller than the block's own: 6 x 448 is the most.
  Values values(16, 1e6f);
  round_blocks(own_format("nvfp4"), 16, {.range = {.amax = 2688.0f}}, values);
  EXPECT_EQ(values[0], 2688.0f);
}

TEST(TwoLevelBlocks, InfBecomesTheLargestCodeAndNanStaysAlone) {
  Values values(16, 1.0f);
  values[0] = 6.0f;
  values[3] = kInf;
  values[4] = -kInf;
  values[5] = kNan;
  Values found = restored("nvfp4", 16, values);
  EXPECT_TRUE(std::isnan(found[5]));
  EXPECT_EQ(found[3], 6.0f);
  EXPECT_EQ(found[4], -6.0f);
  EXPECT_EQ(found[6], 1.0f);
}

// Formats of every family but MX, in blocks of 16.
std::vector<std::string> scaled_formats() {
  std::vector<std::string> names;
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    if (format.extent == ScaleExtent::row || format.scale_type == ScaleType::e4m3_tensor)
      names.push_back(name);
  }
  return names;
}

TEST(ScaledBlocksOfEveryFamily, AllZerosGiveZerosAndANanStaysWhereItIs) {
  for (const std::string& name : scaled_formats()) {
    Values zeros(16);
    zeros[1] = -0.0f;
    zeros[2] = kNan;
    zeros[3] = -kInf;  // there is no scale: it becomes 0
    Values found = restored(name, 16, zeros, 1);
    for (size_t i = 0; i < 16; ++i) {
      if (i == 2) {
        EXPECT_EQ(to_bits(found[i]) & 0x7FC00000u, 0x7FC00000u) << name;
      } else {
        EXPECT_EQ(to_bits(found[i]), 0u) << name;
      }
    }
  }
}

TEST(ScaledBlocks, TruncationLeavesTheLargestMagnitudeAtItsCode) {
  std::mt19937 random(12);
  std::uniform_real_distribution<float> uniform(1.0f, 2.0f);
  size_t below = 0;  // quotients of amax that F32 puts below the code
  for (int i = 0; i < 2000; ++i) {
    const float amax = uniform(random);
    const float scale = amax / 7;
    below += amax * (1 / scale) < 7 ? 1 : 0;
    for (const char* name :
         {"int4:rtz", "int4:full:rtz", "e2m1:row:rtz", "e4m3:row:rtz", "int8:rtz", "nf4:row:rtz"}) {
      const float found = restored(name, 2, {amax, 0.0f})[0];
      const float lost =
          std::string(name) == "int4:full:rtz" ? amax / 7.5f * 0.5f : 0;  // its largest code is 7
      EXPECT_NEAR(found, amax - lost, amax * 0x1p-22f) << name;
    }
  }
  EXPECT_GT(below, 100u);
}

TEST(ScaledBlocksOfEveryFamily, NanStaysNanAndInfBecomesTheOutermostCodeOfItsSign) {
  for (const std::string& name : scaled_formats()) {
    Values values(16, 0.0f);
    values[0] = 1.0f;
    values[1] = -1.0f;
    Values plain = restored(name, 16, values, 1);
    values[4] = kInf;
    values[5] = -kInf;
    values[6] = from_bits(0xFF800001);
    Values found = restored(name, 16, values, 1);
    for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(same(found[i], plain[i])) << name;
    EXPECT_TRUE(std::isnan(found[6])) << name;
    EXPECT_TRUE(std::isfinite(found[4]) && std::isfinite(found[5])) << name;
    EXPECT_GE(found[4], plain[0]) << name;
    EXPECT_LE(found[5], plain[1]) << name;
    EXPECT_GT(found[4] - found[5], 0) << name;
  }
  EXPECT_EQ(restored("int4", 4, {kInf, -kInf, 7.0f, 1.0f}), (Values{7.0f, -7.0f, 7.0f, 1.0f}));
}

TEST(ScaledBlocksOfEveryFamily, ExtremesOfF32NeverMakeInfOrNan) {
  for (const std::string& name : scaled_formats()) {
    Values values(16, 1.0f);
    for (float first : {kFloatMax, -kFloatMax}) {
      values[0] = first;
      values[1] = std::nextafter(-first, 0.0f);
      for (float value : restored(name, 16, values, 1)) EXPECT_TRUE(std::isfinite(value)) << name;
    }
  }
}

TEST(ScaledBlocksOfEveryFamily, AScaleWhoseReciprocalOverflowsIsDividedBy) {
  float tiny = 0x1p-130f;
  EXPECT_EQ(restored("int4", 3, {7 * tiny, 3 * tiny, -tiny}), (Values{7 * tiny, 3 * tiny, -tiny}));
  EXPECT_EQ(restored("e2m1:row", 3, {6 * tiny, 3 * tiny, -tiny}), (Values{6 * tiny, 3 * tiny, -tiny}));
  EXPECT_EQ(restored("int16", 2, {kDenormal, 0.0f}), (Values{0.0f, 0.0f}));
}

TEST(ScaledBlocksOfEveryFamily, StoredScalesAreRounded) {
  // amax 10, scale 10/7: F16 holds 1.4287109375, BF16 1.4296875.
  EXPECT_EQ(restored("int4:scale_type=f16", 1, {10.0f})[0], 7 * 1.4287109375f);
  EXPECT_EQ(restored("int4:scale_type=bf16", 1, {10.0f})[0], 7 * 1.4296875f);
  EXPECT_EQ(restored("nf4:row:scale_type=bf16", 1, {1.4287109375f})[0], 1.4296875f);
  EXPECT_EQ(restored("e2m1:row:scale_type=bf16", 1, {6 * 1.4287109375f})[0], 6 * 1.4296875f);
  // Beyond F16's range, and below it.
  EXPECT_EQ(restored("int4:scale_type=f16", 1, {1e9f})[0], 7 * 65504.0f);
  EXPECT_EQ(restored("int4:scale_type=f16", 1, {1e-9f})[0], 0.0f);
}

// 0.1 / (0.7 / 7) is no whole number in F32 for many of these, and yet its code restores it.
TEST(ScaledBlocksOfEveryFamily, CutOffAndStochasticRoundingKeepWhatACodeRestoresExactly) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  for (const char* base : {"int4", "int8", "int16", "e4m3:row", "e2m3:row", "nf4:row"}) {
    for (int trial = 0; trial < 200; ++trial) {
      float amax = std::abs(normal(random));
      // A row of values that nearest rounding has just restored, with amax pinned by an explicit range.
      Values values(64);
      for (float& value : values) value = std::clamp(normal(random), -2.0f, 2.0f) * amax / 2;
      const ScaleRange range{.amax = amax, .min = -amax, .max = amax};
      round_with_range(own_format(base), range, {}, values);
      for (const char* rounding : {":rtz", ":sr"}) {
        Values found = values;
        round_with_range(own_format(std::string(base) + rounding), range, {.random_key = 3}, found);
        ASSERT_TRUE(same_values(found, values)) << base << rounding;
      }
    }
  }
}

TEST(ScaledBlocksOfEveryFamily, ErrorOfRestrictedIntegersIsAtMostHalfAStep) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (int bits = 2; bits <= 16; ++bits) {
    Values values(256);
    for (float& value : values) value = normal(random);
    Values found = restored(fmt::format("int{}:group=64", bits), 256, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ScaleRange range = scale_range(std::span(values).subspan(i / 64 * 64, 64));
      float step = range.amax / static_cast<float>((1 << (bits - 1)) - 1);
      // Half a step, and the roundings of scale, product and quotient.
      EXPECT_LE(std::abs(found[i] - values[i]), step * 0.5f + range.amax * 0x1p-22f);
    }
  }
}

TEST(ScaledBlocksDeathTest, BlocksThatDoNotFitAreOurOwnBugs) {
  Values values(10, 1.0f);
  EXPECT_DEATH(round_blocks(own_format("int4:group=4"), 4, {}, values), "");
  EXPECT_DEATH(round_with_range(own_format("mxfp4"), {.amax = 1}, {}, values), "");
  EXPECT_DEATH(round_with_range(own_format("nvfp4"), {.amax = 1}, {}, values), "");
  EXPECT_DEATH(round_with_range(own_format("bf16"), {.amax = 1}, {}, values), "");
}

}  // namespace
}  // namespace fakequant
