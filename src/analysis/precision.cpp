#include "analysis/precision.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "base/simd.h"

namespace fakequant {
namespace {

constexpr uint32_t kMagnitude = 0x7fffffffu;
constexpr uint32_t kInfinity = 0x7f800000u;
constexpr size_t kBlock = 1024;

// Position of the only or leading one bit of 0 < bits < 2^24. The conversion is exact, and vectorizes where
// counting zeros does not.
FQ_INLINE int32_t leading_bit(int32_t bits) {
  return static_cast<int32_t>(std::bit_cast<uint32_t>(static_cast<float>(bits)) >> 23) - 127;
}

struct BlockNeeds {
  int32_t significand_bits = 0;
  int32_t lowest_bit_exponent = PrecisionNeeds::kNoBit;
  int32_t max_magnitude = 0;
  uint32_t nan_seen = 0, infinity_seen = 0, negative_zero_seen = 0;
};

FQ_VECTORIZED void measure_block(const float* values, size_t count, BlockNeeds& needs) {
  int32_t width_most = 0, exponent_least = PrecisionNeeds::kNoBit, magnitude_most = 0;
  uint32_t nan_seen = 0, infinity_seen = 0, negative_zero_seen = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    const auto magnitude = static_cast<int32_t>(bits & kMagnitude);
    const int32_t exponent = magnitude >> 23;
    const int32_t significand = (magnitude & 0x7fffff) | (exponent > 0 ? 0x800000 : 0);
    const int32_t low = leading_bit(significand & -significand);
    const int32_t width = leading_bit(significand) - low + 1;
    const int32_t low_exponent = std::max(exponent, 1) - 150 + low;
    // Masks, not conditions: the compiler does not move conversions out of branches.
    const int32_t finite = -static_cast<int32_t>(magnitude < static_cast<int32_t>(kInfinity));
    const int32_t counts = finite & -static_cast<int32_t>(magnitude != 0);
    width_most = std::max(width_most, width & counts);
    exponent_least = std::min(exponent_least, (low_exponent & counts) | (PrecisionNeeds::kNoBit & ~counts));
    magnitude_most = std::max(magnitude_most, magnitude & finite);
    nan_seen |= magnitude > static_cast<int32_t>(kInfinity) ? 1u : 0u;
    infinity_seen |= magnitude == static_cast<int32_t>(kInfinity) ? 1u : 0u;
    negative_zero_seen |= bits == 0x80000000u ? 1u : 0u;
  }
  needs = {width_most, exponent_least, magnitude_most, nan_seen, infinity_seen, negative_zero_seen};
}

// Whether every value v is fl32(1 + bf16_rne(fl32(v - 1))), bit for bit.
FQ_VECTORIZED bool one_plus_bf16(const float* values, size_t count) {
  uint32_t wrong = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t weight = std::bit_cast<uint32_t>(values[i] - 1.0f);
    const uint32_t rounded = (weight + 0x7fffu + ((weight >> 16) & 1u)) & 0xffff0000u;
    wrong |= std::bit_cast<uint32_t>(1.0f + std::bit_cast<float>(rounded)) ^ bits;
    wrong |= (bits & kMagnitude) > kInfinity ? 1u : 0u;
  }
  return wrong == 0;
}

// The largest finite value of a grid as exponent of its leading bit and significand with `significand_bits`
// bits.
struct GridMaximum {
  int exponent;
  uint32_t significand;
};

GridMaximum maximum_of(const FloatGrid& grid) {
  const uint32_t all_ones = (2u << grid.mantissa_bits) - 1;
  if (grid.kind != FloatKind::fn) return {grid.max_exponent(), all_ones};
  // fn gives its all-ones code to NaN; without mantissa bits that takes the whole top exponent.
  if (grid.mantissa_bits == 0) return {grid.max_exponent() - 1, all_ones};
  return {grid.max_exponent(), all_ones - 1};
}

bool at_most(uint32_t magnitude, const FloatGrid& grid) {
  if (magnitude == 0) return true;
  const GridMaximum limit = maximum_of(grid);
  const uint32_t biased = magnitude >> 23;
  const uint32_t significand = (magnitude & 0x7fffffu) | (biased > 0 ? 0x800000u : 0u);
  const int lead = std::bit_width(significand) - 1;
  const int exponent = static_cast<int>(std::max(biased, 1u)) - 150 + lead;
  if (exponent != limit.exponent) return exponent < limit.exponent;
  return (significand << (23 - lead)) <= (limit.significand << (23 - grid.mantissa_bits));
}

}  // namespace

void PrecisionNeeds::add(std::span<const float> values) {
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const size_t count = std::min(kBlock, values.size() - start);
    BlockNeeds block;
    measure_block(values.data() + start, count, block);
    significand_bits = std::max<int>(significand_bits, block.significand_bits);
    lowest_bit_exponent = std::min<int>(lowest_bit_exponent, block.lowest_bit_exponent);
    max_magnitude_bits = std::max(max_magnitude_bits, static_cast<uint32_t>(block.max_magnitude));
    has_nan |= block.nan_seen != 0;
    has_infinity |= block.infinity_seen != 0;
    has_negative_zero |= block.negative_zero_seen != 0;
    all_one_plus_bf16 = all_one_plus_bf16 && one_plus_bf16(values.data() + start, count);
  }
}

void PrecisionNeeds::merge(const PrecisionNeeds& other) {
  significand_bits = std::max(significand_bits, other.significand_bits);
  lowest_bit_exponent = std::min(lowest_bit_exponent, other.lowest_bit_exponent);
  max_magnitude_bits = std::max(max_magnitude_bits, other.max_magnitude_bits);
  has_nan |= other.has_nan;
  has_infinity |= other.has_infinity;
  has_negative_zero |= other.has_negative_zero;
  all_one_plus_bf16 = all_one_plus_bf16 && other.all_one_plus_bf16;
}

bool PrecisionNeeds::fit(const FloatGrid& grid) const {
  FQ_CHECK(grid.mantissa_bits >= 0 && grid.mantissa_bits <= 23);
  if (has_nan && !grid.has_nan()) return false;
  if (has_infinity && !grid.has_infinity()) return false;
  if (has_negative_zero && grid.kind == FloatKind::fnuz) return false;
  return significand_bits <= grid.mantissa_bits + 1 && lowest_bit_exponent >= grid.min_subnormal_exponent() &&
         at_most(max_magnitude_bits, grid);
}

std::string_view name_of(EffectivePrecision precision) {
  static constexpr std::array<std::string_view, 12> kNames = {
      "empty", "constant", "e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "bf16", "bf16+1", "f16", "tf32", "f32"};
  return kNames[static_cast<size_t>(precision)];
}

EffectivePrecision effective_precision(uint64_t count, const PrecisionNeeds& needs,
                                       std::optional<uint64_t> distinct_count) {
  using enum EffectivePrecision;
  if (count == 0) return empty;
  if (distinct_count == 1) return constant;
  struct Candidate {
    EffectivePrecision precision;
    FloatGrid grid;
  };
  static constexpr Candidate kNarrow[] = {{e2m1, kE2M1}, {e2m3, kE2M3}, {e3m2, kE3M2},
                                          {e4m3, kE4M3}, {e5m2, kE5M2}, {bf16, kBf16}};
  for (const Candidate& candidate : kNarrow) {
    if (needs.fit(candidate.grid)) return candidate.precision;
  }
  if (needs.all_one_plus_bf16 && !needs.has_infinity) return bf16_plus_1;
  if (needs.fit(kF16)) return f16;
  return needs.fit(kTf32) ? tf32 : f32;
}

}  // namespace fakequant
