#include "formats/block_scales.h"

#include <algorithm>

#include "base/error.h"
#include "formats/kernel.h"
#include "formats/round_to_grid.h"

namespace fakequant {

namespace {

using namespace kernel;

// The extremes of some blocks; which of them are there depends on the format.
struct Ranges {
  float amax[kBlocksAtOnce];
  float min[kBlocksAtOnce];
  float max[kBlocksAtOnce];
};

// The largest code, by which a scale is found from the largest magnitude.
float largest_code(const BlockFormat& format) {
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid))
    return static_cast<float>(floats->max_value());
  if (std::holds_alternative<LevelGrid>(format.grid)) return 1.0f;
  const auto& integers = std::get<IntegerGrid>(format.grid);
  auto levels = static_cast<float>((1 << integers.bits) - 1);
  return integers.scheme == IntegerScheme::full ? levels / 2
                                                : static_cast<float>((1 << (integers.bits - 1)) - 1);
}

FQ_VECTORIZED void divide_all(const float* values, float divisor, float* quotients, size_t count) {
  for (size_t b = 0; b < count; ++b) quotients[b] = values[b] / divisor;
}

// The scales of integers with a zero point, and their code ranges. As torch: the zero point is rounded on its own, so
// that 0 is exact and the ends may clip by half a step.
FQ_VECTORIZED void affine_scales(const Ranges& ranges, float levels, float* scales, size_t count) {
  for (size_t b = 0; b < count; ++b) {
    float width = ranges.max[b] - ranges.min[b];
    float halves = ranges.max[b] / levels - ranges.min[b] / levels;
    scales[b] = choose(width > kLargest, halves, width / levels);
  }
}

FQ_VECTORIZED void affine_codes(const Ranges& ranges, float levels, BlockScales& scales, size_t count) {
  for (size_t b = 0; b < count; ++b) {
    float zero_point = -(ranges.min[b] / scales.scale[b]);
    zero_point = (zero_point + 0x1.8p23f) - 0x1.8p23f;
    zero_point = choose(zero_point > 0.0f, zero_point, 0.0f);
    zero_point = choose(zero_point < levels, zero_point, levels);
    scales.lowest[b] = -zero_point;
    scales.highest[b] = levels - zero_point;
  }
}

// `floor` lies under the scale that is divided by.
FQ_VECTORIZED void invert_scales(float floor, BlockScales& scales, size_t count) {
  for (size_t b = 0; b < count; ++b)
    scales.inverse[b] = 1.0f / choose(scales.scale[b] < floor, floor, scales.scale[b]);
}

// What BlockScales::plain says; `largest` is a bound on the magnitude of a code. Inverses that nobody made are 0.
FQ_VECTORIZED bool all_plain(float largest, const BlockScales& scales, size_t count) {
  uint32_t special = 0;
  for (size_t b = 0; b < count; ++b) {
    const float scale = scales.scale[b];
    special |= static_cast<uint32_t>(!(scale > 0.0f)) | static_cast<uint32_t>(scales.inverse[b] > kLargest) |
               static_cast<uint32_t>(scale * largest > kLargest);
  }
  return special == 0;
}

void store_scales(ScaleType type, std::span<float> scales) {
  if (type == ScaleType::f16) round_to_grid(kF16, Rounding::rne, Overflow::saturate, scales);
  if (type == ScaleType::bf16) round_to_grid(kBf16, Rounding::rne, Overflow::saturate, scales);
}

// Scales of one number per block, in the type that the format stores.
void find_scales(const BlockFormat& format, const Ranges& ranges, BlockScales& scales, size_t count) {
  // bitsandbytes' floor under the scale that NF4 divides by; restored values take the scale itself.
  constexpr float kNf4Floor = 1e-38f;
  const auto* integers = std::get_if<IntegerGrid>(&format.grid);
  const bool affine = format.has_zero_point();
  const float levels = integers != nullptr ? static_cast<float>((1 << integers->bits) - 1) : 0.0f;
  const float half = integers != nullptr ? static_cast<float>((1 << (integers->bits - 1)) - 1) : 0.0f;
  if (affine) {
    affine_scales(ranges, levels, scales.scale, count);
  } else {
    divide_all(ranges.amax, largest_code(format), scales.scale, count);
  }
  store_scales(format.scale_type, {scales.scale, count});
  if (affine) {
    affine_codes(ranges, levels, scales, count);
  } else if (integers != nullptr) {
    std::fill_n(scales.lowest, count, integers->scheme == IntegerScheme::full ? -half - 1 : -half);
    std::fill_n(scales.highest, count, half);
  }
  const float floor = std::holds_alternative<LevelGrid>(format.grid) ? kNf4Floor : 0.0f;
  const float largest = affine ? levels : largest_code(format) + 1.0f;
  invert_scales(floor, scales, count);
  scales.plain = all_plain(largest, scales, count);
}

// What the choice of a power of two needs to know of the elements.
struct PowerRule {
  ScaleRule rule;
  int max_exponent;           // of the largest element
  float inverse_max;          // 1 / largest element, in F32
  uint32_t half_element_ulp;  // of a mantissa of the element's length, as F32 pattern
};

PowerRule power_rule(const BlockFormat& format) {
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid)) {
    return {format.scale_rule, floats->top_value_exponent(), 1.0f / static_cast<float>(floats->max_value()),
            uint32_t{1} << (22 - floats->mantissa_bits)};
  }
  return {format.scale_rule, 0, 1.0f / (127.0f / 64.0f), uint32_t{1} << (22 - 6)};
}

// ceil(log2) of a positive F32 as an exponent field, at least 0: what lies up to the middle of the subnormals is at
// most 2^-127.
FQ_INLINE int32_t ceil_field(uint32_t bits) {
  const uint32_t mantissa = bits & 0x007FFFFFu;
  const uint32_t above = choose(bits < 0x00800000u, 0x00400000u, 0u);
  return static_cast<int32_t>(bits >> 23) + (mantissa > above ? 1 : 0);
}

// The exponent field of the power of two for a block's largest magnitude, before it is clamped.
template <ScaleRule rule>
FQ_INLINE int32_t scale_field(const PowerRule& facts, uint32_t amax) {
  if constexpr (rule == ScaleRule::floor) return static_cast<int32_t>(amax >> 23) - facts.max_exponent;
  if constexpr (rule == ScaleRule::ceil) return ceil_field(amax) - facts.max_exponent;
  if constexpr (rule == ScaleRule::rceil) return ceil_field(bits_of(float_of(amax) * facts.inverse_max));
  return static_cast<int32_t>((amax + facts.half_element_ulp) >> 23) - facts.max_exponent;
}

template <ScaleRule rule>
FQ_INLINE void find_powers_by(const PowerRule& facts, const float* amaxes, BlockScales& scales,
                              size_t count) {
  for (size_t b = 0; b < count; ++b) {
    const uint32_t amax = bits_of(amaxes[b]);
    int32_t field = scale_field<rule>(facts, amax);
    field = std::min(std::max(field, 0), 254);
    // 2^-127 is a subnormal F32, as scale and as inverse.
    const uint32_t scale = choose(field > 0, static_cast<uint32_t>(field) << 23, 0x00400000u);
    const uint32_t inverse = choose(field < 254, static_cast<uint32_t>(254 - field) << 23, 0x00400000u);
    const uint32_t carried = rule == ScaleRule::even ? amax + facts.half_element_ulp : amax;
    const bool spoiled = carried >= kInfinity;
    // Of a block with a NaN or Inf everything becomes NaN: so do its scale and inverse.
    scales.scale[b] = float_of(choose(spoiled, kInfinity | kQuiet, scale));
    scales.inverse[b] = float_of(choose(spoiled, kInfinity | kQuiet, inverse));
  }
}

FQ_VECTORIZED void find_powers(const PowerRule& rule, const float* amaxes, BlockScales& scales,
                               size_t count) {
  switch (rule.rule) {
    case ScaleRule::floor:
      return find_powers_by<ScaleRule::floor>(rule, amaxes, scales, count);
    case ScaleRule::ceil:
      return find_powers_by<ScaleRule::ceil>(rule, amaxes, scales, count);
    case ScaleRule::rceil:
      return find_powers_by<ScaleRule::rceil>(rule, amaxes, scales, count);
    case ScaleRule::even:
      return find_powers_by<ScaleRule::even>(rule, amaxes, scales, count);
  }
}

FQ_VECTORIZED void multiply_all(float factor, float* values, size_t count) {
  for (size_t b = 0; b < count; ++b) values[b] *= factor;
}

// Block scales of NVFP4 in ModelOpt's order of operations, every step in F32.
void find_two_level_scales(float tensor_amax, const float* amaxes, BlockScales& scales, size_t count) {
  constexpr float kLargestElement = 6.0f;
  constexpr float kLargestScale = 448.0f;
  const float tensor_scale = tensor_amax / (kLargestElement * kLargestScale);
  const float unit = kLargestElement * tensor_scale;
  if (unit > 0) {
    divide_all(amaxes, unit, scales.scale, count);
    round_to_grid(kE4M3, Rounding::rne, Overflow::saturate, {scales.scale, count});
    multiply_all(tensor_scale, scales.scale, count);
  } else {
    std::fill_n(scales.scale, count, 0.0f);
  }
  scales.plain = all_plain(kLargestElement, scales, count);
}

}  // namespace

void find_block_scales(const BlockFormat& format, float tensor_amax, std::span<const float> values,
                       size_t block, BlockScales& scales) {
  const size_t count = values.size() / block;
  Ranges ranges;
  if (format.scale_type == ScaleType::e8m0) {
    block_amax_or_special(values.data(), block, {ranges.amax, count});
    find_powers(power_rule(format), ranges.amax, scales, count);
    return;
  }
  if (format.has_zero_point()) {
    block_bounds(values.data(), block, {ranges.min, count}, {ranges.max, count});
  } else {
    block_amax(values.data(), block, {ranges.amax, count});
  }
  if (format.scale_type == ScaleType::e4m3_tensor) {
    find_two_level_scales(tensor_amax, ranges.amax, scales, count);
  } else {
    find_scales(format, ranges, scales, count);
  }
}

void find_shared_scale(const BlockFormat& format, const ScaleRange& range, BlockScales& scales) {
  Ranges ranges;
  ranges.amax[0] = range.amax;
  ranges.min[0] = range.min;
  ranges.max[0] = range.max;
  find_scales(format, ranges, scales, 1);
}

}  // namespace fakequant
