#include "analysis/precision.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "analysis/half_bits.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

// Every value of a grid that F32 holds, code by code, without the formulas that are tested.
std::vector<float> values_of(const FloatGrid& grid) {
  std::vector<float> values;
  const int64_t mantissa_end = int64_t{1} << grid.mantissa_bits;
  const int exponent_end = 1 << grid.exponent_bits;
  for (int sign = 0; sign < 2; ++sign) {
    for (int exponent = 0; exponent < exponent_end; ++exponent) {
      for (int64_t mantissa = 0; mantissa < mantissa_end; ++mantissa) {
        const bool top = exponent == exponent_end - 1;
        double value = exponent == 0
                           ? std::ldexp(mantissa, 1 - grid.bias - grid.mantissa_bits)
                           : std::ldexp(mantissa_end + mantissa, exponent - grid.bias - grid.mantissa_bits);
        if (grid.kind == FloatKind::ieee && top) value = mantissa == 0 ? HUGE_VAL : std::nan("");
        if (grid.kind == FloatKind::fn && top && mantissa == mantissa_end - 1) value = std::nan("");
        if (sign == 1) value = -value;
        if (grid.kind == FloatKind::fnuz && value == 0 && sign == 1) value = std::nan("");
        if (std::isfinite(value) && std::fabs(value) >= 0x1p128) continue;
        values.push_back(static_cast<float>(value));
      }
    }
  }
  return values;
}

PrecisionNeeds needs_of(const std::vector<float>& values) {
  PrecisionNeeds needs;
  needs.add(values);
  return needs;
}

std::string precision_of(const std::vector<float>& values) {
  std::set<uint32_t> distinct;
  for (const float value : values) distinct.insert(std::bit_cast<uint32_t>(value));
  return std::string(name_of(effective_precision(values.size(), needs_of(values), distinct.size())));
}

struct NamedGrid {
  const char* name;
  FloatGrid grid;
};

const NamedGrid kNamed[] = {{"e2m1", kE2M1}, {"e2m3", kE2M3}, {"e3m2", kE3M2}, {"e4m3", kE4M3},
                            {"e5m2", kE5M2}, {"bf16", kBf16}, {"f16", kF16},   {"tf32", kTf32}};

const NamedGrid kOthers[] = {
    {"e4m3 fnuz", {4, 3, 8, FloatKind::fnuz}},       {"e5m2 fnuz", {5, 2, 16, FloatKind::fnuz}},
    {"e4m3 ieee", {4, 3, 7, FloatKind::ieee}},       {"e4m0 fn", {4, 0, 7, FloatKind::fn}},
    {"e3m1 fn", {3, 1, 3, FloatKind::fn}},           {"e1m2 finite", {1, 2, 1, FloatKind::finite}},
    {"e8m2 finite", {8, 2, 127, FloatKind::finite}}, {"e8m1 low", {8, 1, 140, FloatKind::ieee}}};

TEST(EffectivePrecision, IsTheGridWhoseValuesTheyAre) {
  for (const auto& [name, grid] : kNamed) {
    EXPECT_EQ(precision_of(values_of(grid)), name);
    std::vector<float> finite = values_of(grid);
    std::erase_if(finite, [](float value) { return !std::isfinite(value); });
    EXPECT_EQ(precision_of(finite), name) << "finite values only";
  }
  EXPECT_EQ(precision_of({1.0f, 1.0f + 0x1p-23f, 0x1p-149f}), "f32");
}

// Any value fits a grid exactly when it is one of its values: all 16-bit values, their neighbours in F32,
// random patterns.
TEST(PrecisionNeeds, FitsExactlyTheValuesOfTheGrid) {
  std::vector<uint32_t> candidates;
  for (uint32_t code = 0; code < 65536; ++code) {
    for (const HalfType type : {HalfType::f16, HalfType::bf16}) {
      const uint32_t bits = f32_bits_of(type, static_cast<uint16_t>(code));
      candidates.insert(candidates.end(), {bits, bits + 1, bits - 1, bits + 0x1000});
    }
  }
  std::mt19937 random(1);
  for (int i = 0; i < 100000; ++i) candidates.push_back(static_cast<uint32_t>(random()) << (i % 24));

  std::vector<NamedGrid> grids(std::begin(kNamed), std::end(kNamed));
  grids.insert(grids.end(), std::begin(kOthers), std::end(kOthers));
  for (const auto& [name, grid] : grids) {
    std::set<uint32_t> members;
    bool has_nan = false;
    for (const float value : values_of(grid)) {
      members.insert(std::bit_cast<uint32_t>(value));
      has_nan |= std::isnan(value);
    }
    for (const uint32_t bits : candidates) {
      const float value = from_bits(bits);
      const bool member = std::isnan(value) ? has_nan : members.contains(bits);
      ASSERT_EQ(needs_of({value}).fit(grid), member) << name << " " << std::hexfloat << value;
    }
  }
}

TEST(PrecisionNeeds, EveryFiniteF32FitsF32) {
  EXPECT_TRUE(
      needs_of({from_bits(0x7f7fffff), from_bits(0x807fffff), from_bits(1), -0.0f, kInf, kNan}).fit(kF32));
}

TEST(PrecisionNeeds, SubnormalsCountWithTheirTrueBits) {
  const PrecisionNeeds smallest = needs_of({from_bits(1)});
  EXPECT_EQ(smallest.significand_bits, 1);
  EXPECT_EQ(smallest.lowest_bit_exponent, -149);
  const PrecisionNeeds largest = needs_of({from_bits(0x807fffff)});
  EXPECT_EQ(largest.significand_bits, 23);
  EXPECT_EQ(largest.lowest_bit_exponent, -149);
  EXPECT_EQ(largest.max_magnitude_bits, 0x007fffffu);
  const PrecisionNeeds middle = needs_of({from_bits(0x00050000)});  // 101 binary x 2^(16-149)
  EXPECT_EQ(middle.significand_bits, 3);
  EXPECT_EQ(middle.lowest_bit_exponent, -133);
}

#if defined(__SSE2__)
TEST(PrecisionNeeds, FlushToZeroDoesNotHideSubnormals) {
  const std::vector<float> values(40, from_bits(0x00050000));
  const PrecisionNeeds wanted = needs_of(values);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zero
  const PrecisionNeeds found = needs_of(values);
  _mm_setcsr(before);
  EXPECT_EQ(found.significand_bits, wanted.significand_bits);
  EXPECT_EQ(found.lowest_bit_exponent, wanted.lowest_bit_exponent);
  EXPECT_EQ(found.max_magnitude_bits, wanted.max_magnitude_bits);
}
#endif

TEST(PrecisionNeeds, HandComputedNumbers) {
  const PrecisionNeeds needs = needs_of({0.75f, -40.0f, 0.0f});  // 11b x 2^-2, 101b x 2^3
  EXPECT_EQ(needs.significand_bits, 3);
  EXPECT_EQ(needs.lowest_bit_exponent, -2);
  EXPECT_EQ(from_bits(needs.max_magnitude_bits), 40.0f);
  EXPECT_FALSE(needs.has_nan || needs.has_infinity || needs.has_negative_zero);
  EXPECT_EQ(needs_of({1.0f + 0x1p-23f}).significand_bits, 24);
  const PrecisionNeeds zeros = needs_of({0.0f, -0.0f});
  EXPECT_EQ(zeros.significand_bits, 0);
  EXPECT_EQ(zeros.lowest_bit_exponent, PrecisionNeeds::kNoBit);
  EXPECT_TRUE(zeros.has_negative_zero);
}

TEST(PrecisionNeeds, SpecialValuesAreSeenWhereverTheyStand) {
  for (const size_t at : {size_t{0}, size_t{15}, size_t{16}, size_t{1023}, size_t{1024}, size_t{2046}}) {
    std::vector<float> values(2047, 1.0f);
    values[at] = kNan;
    EXPECT_TRUE(needs_of(values).has_nan);
    values[at] = -kInf;
    EXPECT_TRUE(needs_of(values).has_infinity);
    EXPECT_EQ(needs_of(values).max_magnitude_bits, 0x3f800000u);
    values[at] = -0.0f;
    EXPECT_TRUE(needs_of(values).has_negative_zero);
    values[at] = 1.0f + 0x1p-20f;
    EXPECT_EQ(needs_of(values).significand_bits, 21);
    EXPECT_EQ(needs_of(values).lowest_bit_exponent, -20);
  }
}

TEST(PrecisionNeeds, MergingIsOnePassInAnyOrder) {
  std::mt19937 random(2);
  std::vector<float> values(5000);
  for (float& value : values) value = from_bits(static_cast<uint32_t>(random()));
  const std::span<const float> all(values);
  PrecisionNeeds forward, backward;
  for (size_t start = 0; start < 5000; start += 500) {
    PrecisionNeeds part, other;
    part.add(all.subspan(start, 500));
    forward.merge(part);
    other.add(all.subspan(4500 - start, 500));
    backward.merge(other);
  }
  EXPECT_EQ(forward, needs_of(values));
  EXPECT_EQ(backward, forward);
}

TEST(OnePlusBf16, HoldsForEveryBf16WeightStoredPlusOne) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const float weight = from_bits(code << 16);
    if (!std::isfinite(weight)) continue;
    ASSERT_TRUE(needs_of({1.0f + weight}).all_one_plus_bf16) << weight;
  }
}

TEST(OnePlusBf16, IsRefusedByOtherValues) {
  EXPECT_FALSE(needs_of({1.125f + 0x1p-23f}).all_one_plus_bf16);
  EXPECT_FALSE(needs_of({1.0f + 257 * 0x1p-10f}).all_one_plus_bf16);  // 257 has nine bits
  EXPECT_TRUE(needs_of({1.0f + 129 * 0x1p-10f}).all_one_plus_bf16);
  EXPECT_FALSE(needs_of({kNan}).all_one_plus_bf16);
  EXPECT_FALSE(needs_of({-0.0f}).all_one_plus_bf16);
  EXPECT_FALSE(needs_of({from_bits(0x7f7fffff)}).all_one_plus_bf16);
  std::vector<float> values(3000, 1.0f + 129 * 0x1p-10f);
  values[2999] = 0.3f;
  EXPECT_FALSE(needs_of(values).all_one_plus_bf16);
}

TEST(EffectivePrecision, OnePlusBf16StandsBetweenBf16AndF16) {
  const float both = 1.0f + 129 * 0x1p-10f;  // eleven bits, an F16 value as well
  EXPECT_TRUE(needs_of({both}).fit(kF16));
  EXPECT_EQ(precision_of({both, 1.0f}), "bf16+1");
  EXPECT_EQ(precision_of({1.5f, 1.0f}), "e2m1");
  EXPECT_EQ(precision_of({1.0f + 0x1p-7f, 1.0f}), "bf16");
  EXPECT_EQ(precision_of({1.0f + 257 * 0x1p-10f, 1.0f}), "f16");
  EXPECT_EQ(precision_of({both, kInf}), "f16");
  EXPECT_EQ(precision_of({1.0f + 129 * 0x1p-20f, 1.0f}), "bf16+1");  // not even tf32
  EXPECT_EQ(precision_of({1.0f + 129 * 0x1p-20f, 0.3f}), "f32");
}

TEST(EffectivePrecision, EmptyAndConstantComeFirst) {
  EXPECT_EQ(precision_of({}), "empty");
  EXPECT_EQ(precision_of({0.1f, 0.1f, 0.1f}), "constant");
  EXPECT_EQ(precision_of({kNan, kNan}), "constant");
  EXPECT_EQ(precision_of({0.0f, -0.0f}), "e2m1");  // two bit patterns
  EXPECT_EQ(name_of(effective_precision(70000, needs_of({0.1f}), std::nullopt)), "f32");
}

TEST(EffectivePrecision, NanAndInfNeedGridsThatHaveThem) {
  EXPECT_EQ(precision_of({1.0f, kNan}), "e4m3");
  EXPECT_EQ(precision_of({1.0f, kInf}), "e5m2");
}

}  // namespace
}  // namespace fakequant
