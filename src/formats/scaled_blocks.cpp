#include "formats/scaled_blocks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "formats/kernel.h"
#include "formats/random_words.h"
#include "formats/round_to_grid.h"

namespace fakequant {

namespace {

using namespace kernel;

// Everything that the values sharing one scale are rounded with.
struct BlockScale {
  enum class Use : uint32_t {
    multiply,  // quotient = value x inverse
    divide,    // quotient = value / scale
    zeros,     // no scale: every value becomes 0, a NaN stays
    nan,       // a block spoiled by a NaN or Inf
  };
  float scale = 0;
  float inverse = 0;
  float lowest = 0;  // integers: code range, zero point already taken off
  float highest = 0;
  Use use = Use::zeros;
};

// An element rounds a quotient to a code's value.

struct IntegerElement {
  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale& s, float quotient, uint32_t word) const {
    // The bounds are whole numbers: clamping before rounding gives what clamping after it would.
    quotient = choose(quotient < s.lowest, s.lowest, quotient);
    quotient = choose(quotient > s.highest, s.highest, quotient);
    if constexpr (rounding == Rounding::rne) return (quotient + 0x1.8p23f) - 0x1.8p23f;
    float whole = round_quotient<rounding>(__builtin_fabsf(quotient), word);
    return __builtin_copysignf(whole, quotient);
  }
};

// Multiples of 1/64 from -2 to 127/64: the elements of MXINT8.
struct FixedPointElement {
  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale&, float quotient, uint32_t word) const {
    const BlockScale bounds{.lowest = -128.0f, .highest = 127.0f};
    return IntegerElement().round<rounding>(bounds, quotient * 64.0f, word) * (1.0f / 64.0f);
  }
};

template <bool no_mantissa>
struct FloatElement {
  GridSteps steps;
  float max;
  bool keeps_negative_zero;

  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale&, float quotient, uint32_t word) const {
    float magnitude = __builtin_fabsf(quotient);
    magnitude = choose(magnitude > max, max, magnitude);
    uint32_t bits = bits_of(magnitude);
    uint32_t exponent = bits >> 23;
    exponent = choose(exponent < steps.lowest_exponent_field, steps.lowest_exponent_field, exponent);
    float whole = round_magnitude<rounding, no_mantissa>(steps, bits, exponent, word);
    whole = choose(whole > max, max, whole);
    uint32_t sign = bits_of(quotient) & ~kMagnitude;
    sign = choose(static_cast<bool>(static_cast<int>(whole > 0.0f) | static_cast<int>(keeps_negative_zero)), sign, 0u);
    return float_of(bits_of(whole) | sign);
  }
};

struct LevelElement {
  const float* levels;
  const float* bounds;

  template <size_t... i>
  FQ_INLINE float nearest(float quotient, std::index_sequence<i...>) const {
    float level = levels[0];
    ((level = choose(quotient > bounds[i], levels[i + 1], level)), ...);
    return level;
  }

  // The same, but what lies halfway between two levels above zero takes the upper.
  template <size_t... i>
  FQ_INLINE float nearest_away(float quotient, std::index_sequence<i...>) const {
    float level = levels[0];
    ((level = choose(static_cast<bool>(static_cast<int>(quotient > bounds[i]) |
                                       (static_cast<int>(quotient == bounds[i]) & static_cast<int>(bounds[i] > 0))),
                     levels[i + 1], level)),
     ...);
    return level;
  }

  template <size_t... i>
  FQ_INLINE float below(float quotient, std::index_sequence<i...>) const {
    float level = levels[0];
    ((level = choose(quotient >= levels[i + 1], levels[i + 1], level)), ...);
    return level;
  }

  template <size_t... i>
  FQ_INLINE float above(float quotient, std::index_sequence<i...>) const {
    float level = levels[15];
    ((level = choose(quotient <= levels[14 - i], levels[14 - i], level)), ...);
    return level;
  }

  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale&, float quotient, uint32_t word) const {
    constexpr auto k15 = std::make_index_sequence<15>();
    if constexpr (rounding == Rounding::rne) return nearest(quotient, k15);
    if constexpr (rounding == Rounding::rna) return nearest_away(quotient, k15);
    float low = below(quotient, k15);
    float high = above(quotient, k15);
    if constexpr (rounding == Rounding::rtz) return choose(quotient >= 0.0f, low, high);
    float gap = choose(high > low, high - low, 1.0f);
    return choose(random_step((quotient - low) / gap, word) > 0.0f, high, low);
  }
};

// `use` is a constant where this is called, or every value would pay for a division.
template <Rounding rounding, bool clamps, class Element>
FQ_INLINE void round_run(const Element& element, const BlockScale s, BlockScale::Use use, float* values,
                         const uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float value = values[i];
    float quotient = use == BlockScale::Use::divide ? value / s.scale : value * s.inverse;
    uint32_t word = rounding == Rounding::sr ? words[i] : 0;
    float restored = element.template round<rounding>(s, quotient, word) * s.scale;
    if constexpr (rounding == Rounding::rtz || rounding == Rounding::sr) {
      float nearest = element.template round<Rounding::rne>(s, quotient, 0) * s.scale;
      restored = choose(nearest == value, nearest, restored);
    }
    if constexpr (clamps) {
      // Next to the end of F32 a code's product can lie beyond it.
      restored = choose(restored > kLargest, kLargest, restored);
      restored = choose(restored < -kLargest, -kLargest, restored);
    }
    // A code of zero is +0 where there is no -0.
    if constexpr (!requires { element.keeps_negative_zero; }) restored += 0.0f;
    values[i] = choose(value == value, restored, float_of(bits_of(value) | kQuiet));
  }
}

template <Rounding rounding, bool clamps, class Element>
FQ_INLINE void round_block(const Element& element, const BlockScale& s, float* values, const uint32_t* words,
                           size_t count) {
  switch (s.use) {
    case BlockScale::Use::multiply:
      round_run<rounding, clamps>(element, s, BlockScale::Use::multiply, values, words, count);
      break;
    case BlockScale::Use::divide:
      round_run<rounding, clamps>(element, s, BlockScale::Use::divide, values, words, count);
      break;
    case BlockScale::Use::zeros:
      for (size_t i = 0; i < count; ++i)
        values[i] = choose(values[i] == values[i], 0.0f, float_of(bits_of(values[i]) | kQuiet));
      break;
    case BlockScale::Use::nan:
      for (size_t i = 0; i < count; ++i) values[i] = float_of(kInfinity | kQuiet);
      break;
  }
}

// Blocks of one length that share an element.
struct Blocks {
  std::span<const BlockScale> scales;
  size_t length;
  float* values;
  const uint32_t* words;  // for Rounding::sr
};

template <Rounding rounding, bool clamps, class Element>
FQ_INLINE void round_each(const Element element, const Blocks& blocks) {
  for (size_t b = 0; b < blocks.scales.size(); ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    // A constant length lets the compiler unroll the loop over it.
    if (blocks.length == 16) {
      round_block<rounding, clamps>(element, blocks.scales[b], values, words, 16);
    } else if (blocks.length == 32) {
      round_block<rounding, clamps>(element, blocks.scales[b], values, words, 32);
    } else {
      round_block<rounding, clamps>(element, blocks.scales[b], values, words, blocks.length);
    }
  }
}

template <bool clamps, class Element>
FQ_INLINE void round_by(Rounding rounding, const Element element, const Blocks& blocks) {
  switch (rounding) {
    case Rounding::rne:
      return round_each<Rounding::rne, clamps>(element, blocks);
    case Rounding::rtz:
      return round_each<Rounding::rtz, clamps>(element, blocks);
    case Rounding::rna:
      return round_each<Rounding::rna, clamps>(element, blocks);
    case Rounding::sr:
      return round_each<Rounding::sr, clamps>(element, blocks);
  }
}

FQ_VECTORIZED void round_integers(Rounding rounding, const Blocks& blocks) {
  round_by<true>(rounding, IntegerElement(), blocks);
}
// MXINT8's -2 times 2^127 is -Inf, as the specification's arithmetic has it.
FQ_VECTORIZED void round_fixed_points(Rounding rounding, const Blocks& blocks) {
  round_by<false>(rounding, FixedPointElement(), blocks);
}
FQ_VECTORIZED void round_floats(Rounding rounding, const FloatElement<false>& element, const Blocks& blocks) {
  round_by<true>(rounding, element, blocks);
}
// Under ceil and rceil a block next to the end of F32 can round up to 2^128: Inf, as in torchao.
FQ_VECTORIZED void round_microscaled(Rounding rounding, const FloatElement<false>& element, const Blocks& blocks) {
  round_by<false>(rounding, element, blocks);
}
FQ_VECTORIZED void round_powers_of_two(Rounding rounding, const FloatElement<true>& element, const Blocks& blocks) {
  round_by<true>(rounding, element, blocks);
}
FQ_VECTORIZED void round_levels(Rounding rounding, const LevelElement& element, const Blocks& blocks) {
  round_by<true>(rounding, element, blocks);
}

template <bool no_mantissa>
FloatElement<no_mantissa> float_element(const FloatGrid& grid) {
  return {.steps = {.mantissa_bits = static_cast<uint32_t>(grid.mantissa_bits),
                    .lowest_exponent_field = static_cast<uint32_t>(grid.min_exponent() + 127)},
          .max = static_cast<float>(grid.max_value()),
          .keeps_negative_zero = grid.kind != FloatKind::fnuz};
}

void round_elements(const BlockFormat& format, const Blocks& blocks) {
  if (const auto* levels = std::get_if<LevelGrid>(&format.grid)) {
    LevelElement element{levels_of(levels->table).data(), level_bounds_of(levels->table).data()};
    return round_levels(format.rounding, element, blocks);
  }
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid)) {
    if (floats->mantissa_bits == 0) return round_powers_of_two(format.rounding, float_element<true>(*floats), blocks);
    FloatElement<false> element = float_element<false>(*floats);
    if (format.scale_type == ScaleType::e8m0) return round_microscaled(format.rounding, element, blocks);
    return round_floats(format.rounding, element, blocks);
  }
  if (format.scale_type == ScaleType::e8m0) return round_fixed_points(format.rounding, blocks);
  round_integers(format.rounding, blocks);
}

float stored_scale(float scale, ScaleType type) {
  if (type == ScaleType::f32) return scale;
  round_to_grid(type == ScaleType::f16 ? kF16 : kBf16, Rounding::rne, Overflow::saturate, {&scale, 1});
  return scale;
}

BlockScale with_scale(float scale) {
  BlockScale result;
  result.scale = scale;
  result.inverse = 1.0f / scale;
  result.use = !(scale > 0)                 ? BlockScale::Use::zeros
               : std::isinf(result.inverse) ? BlockScale::Use::divide
                                            : BlockScale::Use::multiply;
  return result;
}

BlockScale integer_scale(const BlockFormat& format, const IntegerGrid& grid, const ScaleRange& range) {
  const float levels = static_cast<float>((1 << grid.bits) - 1);
  const float half = static_cast<float>((1 << (grid.bits - 1)) - 1);
  float scale = 0;
  if (grid.scheme == IntegerScheme::restricted) scale = range.amax / half;
  if (grid.scheme == IntegerScheme::full) scale = range.amax / (levels / 2);
  if (grid.scheme == IntegerScheme::asym) {
    float width = range.max - range.min;
    scale = std::isinf(width) ? range.max / levels - range.min / levels : width / levels;
  }
  BlockScale result = with_scale(stored_scale(scale, format.scale_type));
  result.lowest = grid.scheme == IntegerScheme::full ? -half - 1 : -half;
  result.highest = half;
  if (grid.scheme == IntegerScheme::asym && result.scale > 0) {
    // As torch: the zero point is rounded on its own, so that 0 is exact and the ends may clip by half a
    // step.
    float zero_point = -(range.min / result.scale);
    zero_point = std::min(std::max((zero_point + 0x1.8p23f) - 0x1.8p23f, 0.0f), levels);
    result.lowest = -zero_point;
    result.highest = levels - zero_point;
  }
  return result;
}

BlockScale level_scale(const BlockFormat& format, const ScaleRange& range) {
  // bitsandbytes' floor under the scale that is divided by; restored values take the scale itself.
  constexpr float kFloor = 1e-38f;
  BlockScale result = with_scale(stored_scale(range.amax, format.scale_type));
  if (result.use == BlockScale::Use::zeros) return result;
  result.inverse = 1.0f / std::max(result.scale, kFloor);
  result.use = BlockScale::Use::multiply;
  return result;
}

BlockScale scale_from(const BlockFormat& format, const ScaleRange& range) {
  if (const auto* integers = std::get_if<IntegerGrid>(&format.grid)) return integer_scale(format, *integers, range);
  if (std::holds_alternative<LevelGrid>(format.grid)) return level_scale(format, range);
  auto max = static_cast<float>(std::get<FloatGrid>(format.grid).max_value());
  return with_scale(stored_scale(range.amax / max, format.scale_type));
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

// floor(log2), or a number far below every exponent for 0.
FQ_INLINE int floor_log2(uint32_t magnitude) {
  return magnitude >= 0x00800000u ? static_cast<int>(magnitude >> 23) - 127
         : magnitude > 0          ? std::bit_width(magnitude) - 150
                                  : -1000;
}

// The power of two of a block, unclamped; nothing is finite about `amax` after ScaleRule::even's carry.
int scale_exponent(const PowerRule& rule, uint32_t amax) {
  constexpr uint32_t kMantissa = 0x007FFFFF;
  switch (rule.rule) {
    case ScaleRule::floor:
      return floor_log2(amax) - rule.max_exponent;
    case ScaleRule::ceil:
      // A subnormal counts by its F32 pattern, as torchao reads it.
      return floor_log2(amax) + ((amax & kMantissa) != 0 ? 1 : 0) - rule.max_exponent;
    case ScaleRule::rceil: {
      uint32_t quotient = bits_of(float_of(amax) * rule.inverse_max);
      uint32_t mantissa = quotient & kMantissa;
      bool up = quotient >> 23 == 0 ? mantissa > 0x00400000u : mantissa > 0;
      return static_cast<int>(quotient >> 23) - 127 + (up ? 1 : 0);
    }
    case ScaleRule::even:
      return floor_log2(amax + rule.half_element_ulp) - rule.max_exponent;
  }
  FQ_CHECK(!"a scale rule without arithmetic");
}

float power_of_two(int exponent) {
  return exponent >= -126 ? float_of(static_cast<uint32_t>(exponent + 127) << 23) : 0x1p-127f;
}

BlockScale power_scale(const PowerRule& rule, const ScaleRange& range) {
  BlockScale result;
  uint32_t amax = bits_of(range.amax);
  bool spoiled = amax >= kInfinity || (rule.rule == ScaleRule::even && amax + rule.half_element_ulp >= kInfinity);
  if (spoiled) {
    result.use = BlockScale::Use::nan;
    return result;
  }
  int exponent = std::clamp(scale_exponent(rule, amax), -127, 127);
  result.scale = power_of_two(exponent);
  result.inverse = power_of_two(-exponent);
  result.use = BlockScale::Use::multiply;
  return result;
}

// Block scales of NVFP4 in ModelOpt's order of operations, every step in F32.
void two_level_scales(float tensor_amax, std::span<const ScaleRange> ranges, std::span<BlockScale> scales) {
  constexpr float kLargestElement = 6.0f;
  constexpr float kLargestScale = 448.0f;
  constexpr size_t kMost = 256;
  FQ_CHECK(ranges.size() <= kMost);
  float block_scales[kMost];
  const float tensor_scale = tensor_amax / (kLargestElement * kLargestScale);
  const float unit = kLargestElement * tensor_scale;
  for (size_t b = 0; b < ranges.size(); ++b)
    block_scales[b] = unit > 0 ? std::min(ranges[b].amax / unit, kLargestScale) : 0.0f;
  round_to_grid(kE4M3, Rounding::rne, Overflow::saturate, {block_scales, ranges.size()});
  for (size_t b = 0; b < ranges.size(); ++b) {
    scales[b].scale = block_scales[b] * tensor_scale;
    scales[b].use = scales[b].scale > 0 ? BlockScale::Use::divide : BlockScale::Use::zeros;
  }
}

RangeNeeds needs_of(const BlockFormat& format) {
  const auto* integers = std::get_if<IntegerGrid>(&format.grid);
  if (format.scale_type == ScaleType::e8m0) return RangeNeeds::any_magnitude;
  return integers != nullptr && integers->scheme == IntegerScheme::asym ? RangeNeeds::all : RangeNeeds::magnitude;
}

// Rounds blocks whose scales are known; `first_value` is the index of the first in the tensor.
void round_with_scales(const BlockFormat& format, std::span<const BlockScale> scales, size_t length,
                       const TensorContext& context, uint64_t first_value, float* values) {
  if (format.rounding != Rounding::sr) return round_elements(format, {scales, length, values, nullptr});
  constexpr size_t kWords = 4096;
  uint32_t words[kWords];
  for (size_t b = 0; b < scales.size();) {
    // Several short blocks, or a part of a long one.
    size_t count = std::clamp<size_t>(kWords / length, 1, scales.size() - b);
    for (size_t done = 0; done < length;) {
      size_t part = count > 1 ? length : std::min(kWords, length - done);
      size_t first = b * length + done;
      fill_random_words(context.random_key, first_value + first, {words, count * part});
      round_elements(format, {scales.subspan(b, count), part, values + first, words});
      done += part;
    }
    b += count;
  }
}

}  // namespace

void round_with_range(const BlockFormat& format, const ScaleRange& range, const TensorContext& context,
                      std::span<float> values) {
  FQ_CHECK(format.has_scale() && format.scale_type != ScaleType::e8m0 &&
           format.scale_type != ScaleType::e4m3_tensor);
  if (values.empty()) return;
  BlockScale scale = scale_from(format, range);
  round_with_scales(format, {&scale, 1}, values.size(), context, context.first_value, values.data());
}

// Blocks are handled some at a time, so that values stay in the nearest cache between the scan and the
// rounding.
void round_blocks(const BlockFormat& format, size_t block, const TensorContext& context, std::span<float> values) {
  FQ_CHECK(block > 0 && values.size() % block == 0);
  constexpr size_t kBlocksAtOnce = 128;
  ScaleRange ranges[kBlocksAtOnce];
  BlockScale scales[kBlocksAtOnce];
  const PowerRule rule = format.scale_type == ScaleType::e8m0 ? power_rule(format) : PowerRule{};
  size_t block_count = values.size() / block;
  for (size_t first = 0; first < block_count; first += kBlocksAtOnce) {
    size_t count = std::min(kBlocksAtOnce, block_count - first);
    float* begin = values.data() + first * block;
    scale_ranges(begin, block, needs_of(format), {ranges, count});
    if (format.scale_type == ScaleType::e4m3_tensor) {
      two_level_scales(context.range.amax, {ranges, count}, {scales, count});
    } else {
      for (size_t b = 0; b < count; ++b) {
        scales[b] = format.scale_type == ScaleType::e8m0 ? power_scale(rule, ranges[b]) : scale_from(format, ranges[b]);
      }
    }
    round_with_scales(format, {scales, count}, block, context, context.first_value + first * block, begin);
  }
}

}  // namespace fakequant
