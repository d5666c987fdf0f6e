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

// The most blocks whose scales are computed together.
constexpr size_t kBlocksAtOnce = 128;

// What the values sharing one scale are rounded with.
struct BlockScale {
  float scale;
  float inverse;  // 1 / scale
  float lowest;   // integers: code range, zero point already taken off
  float highest;
};

// The scales of some blocks, field by field so that the loops over them vectorize.
struct BlockScales {
  float scale[kBlocksAtOnce];
  float inverse[kBlocksAtOnce];
  float lowest[kBlocksAtOnce];
  float highest[kBlocksAtOnce];
  // Whether every block rounds by the plain loop: a scale above 0 and an inverse within F32, products within F32 too.
  bool plain = true;

  FQ_INLINE BlockScale at(size_t b) const { return {scale[b], inverse[b], lowest[b], highest[b]}; }
};

// An element rounds a quotient to a code's value. A NaN stays one.

struct IntegerElement {
  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale& s, float quotient, uint32_t word) const {
    // The bounds are whole numbers: clamping before rounding gives what clamping after it would.
    quotient = choose(quotient < s.lowest, s.lowest, quotient);
    quotient = choose(quotient > s.highest, s.highest, quotient);
    // A code of zero is +0: integers have no -0.
    if constexpr (rounding == Rounding::rne) return (quotient + 0x1.8p23f) - 0x1.8p23f;
    float whole = round_quotient<rounding>(__builtin_fabsf(quotient), word);
    return __builtin_copysignf(whole, quotient) + 0.0f;
  }
};

// Multiples of 1/64 from -2 to 127/64: the elements of MXINT8.
struct FixedPointElement {
  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale& s, float quotient, uint32_t word) const {
    const BlockScale bounds{s.scale, s.inverse, -128.0f, 127.0f};
    return IntegerElement().round<rounding>(bounds, quotient * 64.0f, word) * (1.0f / 64.0f);
  }
};

template <bool no_mantissa>
struct FloatElement {
  GridSteps steps;
  float max;
  uint32_t negative_zero;  // the pattern of -0 where the grid has it, else 0

  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale&, float quotient, uint32_t word) const {
    uint32_t bits = bits_of(quotient);
    float magnitude = float_of(bits & kMagnitude);
    magnitude = choose(magnitude > max, max, magnitude);
    uint32_t exponent = bits_of(magnitude) >> 23;
    exponent = choose(exponent < steps.lowest_exponent_field, steps.lowest_exponent_field, exponent);
    float whole = round_magnitude<rounding, no_mantissa>(steps, bits_of(magnitude), exponent, word);
    whole = choose(whole > max, max, whole);
    uint32_t sign = bits & choose(whole > 0.0f, ~kMagnitude, negative_zero);
    return float_of(bits_of(whole) | sign);
  }
};

struct LevelElement {
  const float* levels;
  const float* bounds;

  // The level whose range holds the quotient; ranges begin above a bound, or on it where `away` and it is positive.
  template <bool away, size_t... i>
  FQ_INLINE float nearest(float quotient, std::index_sequence<i...>) const {
    uint32_t level = bits_of(levels[0]);
    ((level = (away && bounds[i] > 0 ? quotient >= bounds[i] : quotient > bounds[i]) ? bits_of(levels[i + 1])
                                                                                     : level),
     ...);
    return float_of(level);
  }

  // The levels that enclose the quotient; both the same where it is one.
  struct Neighbours {
    uint32_t low;
    uint32_t high;
  };

  template <size_t... i>
  FQ_INLINE Neighbours around(float quotient, std::index_sequence<i...>) const {
    Neighbours n{bits_of(levels[0]), bits_of(levels[0])};
    ((n.low = quotient >= levels[i + 1] ? bits_of(levels[i + 1]) : n.low), ...);
    ((n.high = quotient > levels[i] ? bits_of(levels[i + 1]) : n.high), ...);
    return n;
  }

  template <Rounding rounding>
  FQ_INLINE float round(const BlockScale&, float quotient, uint32_t word) const {
    constexpr auto k15 = std::make_index_sequence<15>();
    float result = 0;
    if constexpr (rounding == Rounding::rne) result = nearest<false>(quotient, k15);
    if constexpr (rounding == Rounding::rna) result = nearest<true>(quotient, k15);
    if constexpr (rounding == Rounding::rtz || rounding == Rounding::sr) {
      Neighbours n = around(quotient, k15);
      float low = float_of(n.low);
      float high = float_of(n.high);
      if constexpr (rounding == Rounding::rtz) {
        result = choose(quotient >= 0.0f, low, high);
      } else {
        float gap = choose(high > low, high - low, 1.0f);
        result = choose(random_step((quotient - low) / gap, word) > 0.0f, high, low);
      }
    }
    return choose(quotient == quotient, result, quotient);
  }
};

// How a format's values become quotients and come back.
struct Arithmetic {
  bool divides;   // by the scale, rather than multiplied by its inverse
  bool in_range;  // products stay within F32 by themselves
  bool is_exact;  // a power of two: quotients and products do not round
};

// The arithmetic is constant where this is called, or every value would pay for all of it.
template <Rounding rounding, class Element>
FQ_INLINE void round_run(const Element& element, const BlockScale s, const Arithmetic arithmetic,
                         float* values, const uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float value = values[i];
    float quotient = arithmetic.divides ? value / s.scale : value * s.inverse;
    uint32_t word = rounding == Rounding::sr ? words[i] : 0;
    float restored = element.template round<rounding>(s, quotient, word) * s.scale;
    if ((rounding == Rounding::rtz || rounding == Rounding::sr) && !arithmetic.is_exact) {
      // What a code restores stays, though its quotient may not be a whole number.
      float nearest = element.template round<Rounding::rne>(s, quotient, 0) * s.scale;
      restored = choose(nearest == value, nearest, restored);
    }
    if (!arithmetic.in_range) {
      // Next to the end of F32 a code's product can lie beyond it.
      restored = choose(restored > kLargest, kLargest, restored);
      restored = choose(restored < -kLargest, -kLargest, restored);
    }
    values[i] = restored;
  }
}

void make_zeros(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i)
    values[i] = choose(values[i] == values[i], 0.0f, float_of(bits_of(values[i]) | kQuiet));
}

// Blocks of one length.
struct Blocks {
  const BlockScales& scales;
  size_t first;  // index of the first block in `scales`
  size_t count;
  size_t length;
  float* values;
  const uint32_t* words;  // for Rounding::sr
};

// Blocks whose scales BlockScales::plain is about. A constant length lets the compiler unroll the loop over it.
template <Rounding rounding, class Element>
FQ_INLINE void round_plain(const Element& element, const Blocks& blocks, const Arithmetic arithmetic) {
  for (size_t b = 0; b < blocks.count; ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    const BlockScale s = blocks.scales.at(blocks.first + b);
    if (blocks.length == 16) {
      round_run<rounding>(element, s, arithmetic, values, words, 16);
    } else if (blocks.length == 32) {
      round_run<rounding>(element, s, arithmetic, values, words, 32);
    } else if (blocks.length == 64) {
      round_run<rounding>(element, s, arithmetic, values, words, 64);
    } else {
      round_run<rounding>(element, s, arithmetic, values, words, blocks.length);
    }
  }
}

// Blocks of which some have no scale, a tiny one or one whose products may leave F32.
template <Rounding rounding, class Element>
FQ_INLINE void round_careful(const Element& element, const Blocks& blocks, bool divides) {
  for (size_t b = 0; b < blocks.count; ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    const BlockScale s = blocks.scales.at(blocks.first + b);
    if (!(s.scale > 0)) {
      make_zeros(values, blocks.length);
    } else if (divides || std::isinf(s.inverse)) {
      round_run<rounding>(element, s, {.divides = true, .in_range = false, .is_exact = false}, values, words,
                          blocks.length);
    } else {
      round_run<rounding>(element, s, {.divides = false, .in_range = false, .is_exact = false}, values, words,
                          blocks.length);
    }
  }
}

template <Arithmetic arithmetic, Rounding rounding, class Element>
FQ_INLINE void round_with(const Element& element, const Blocks& blocks) {
  // Powers of two are always plain: Inf is what their products beyond F32 become.
  if (arithmetic.is_exact || blocks.scales.plain) {
    round_plain<rounding>(element, blocks, arithmetic);
  } else {
    round_careful<rounding>(element, blocks, arithmetic.divides);
  }
}

template <Arithmetic arithmetic, class Element>
FQ_INLINE void round_by(Rounding rounding, const Element element, const Blocks& blocks) {
  switch (rounding) {
    case Rounding::rne:
      return round_with<arithmetic, Rounding::rne>(element, blocks);
    case Rounding::rtz:
      return round_with<arithmetic, Rounding::rtz>(element, blocks);
    case Rounding::rna:
      return round_with<arithmetic, Rounding::rna>(element, blocks);
    case Rounding::sr:
      return round_with<arithmetic, Rounding::sr>(element, blocks);
  }
}

constexpr Arithmetic kMultiplies{.divides = false, .in_range = true, .is_exact = false};
constexpr Arithmetic kDivides{.divides = true, .in_range = true, .is_exact = false};
constexpr Arithmetic kPowerOfTwo{.divides = false, .in_range = true, .is_exact = true};

FQ_VECTORIZED void round_integers(Rounding rounding, const Blocks& blocks) {
  round_by<kMultiplies>(rounding, IntegerElement(), blocks);
}
FQ_VECTORIZED void round_fixed_points(Rounding rounding, const Blocks& blocks) {
  round_by<kPowerOfTwo>(rounding, FixedPointElement(), blocks);
}
FQ_VECTORIZED void round_microscaled(Rounding rounding, const FloatElement<false>& element,
                                     const Blocks& blocks) {
  round_by<kPowerOfTwo>(rounding, element, blocks);
}
FQ_VECTORIZED void round_two_level(Rounding rounding, const FloatElement<false>& element,
                                   const Blocks& blocks) {
  round_by<kDivides>(rounding, element, blocks);
}
FQ_VECTORIZED void round_floats(Rounding rounding, const FloatElement<false>& element, const Blocks& blocks) {
  round_by<kMultiplies>(rounding, element, blocks);
}
FQ_VECTORIZED void round_powers_of_two(Rounding rounding, const FloatElement<true>& element,
                                       const Blocks& blocks) {
  round_by<kMultiplies>(rounding, element, blocks);
}
FQ_VECTORIZED void round_levels(Rounding rounding, const LevelElement& element, const Blocks& blocks) {
  round_by<kMultiplies>(rounding, element, blocks);
}

template <bool no_mantissa>
FloatElement<no_mantissa> float_element(const FloatGrid& grid) {
  return {.steps = {.mantissa_bits = static_cast<uint32_t>(grid.mantissa_bits),
                    .lowest_exponent_field = static_cast<uint32_t>(grid.min_exponent() + 127)},
          .max = static_cast<float>(grid.max_value()),
          .negative_zero = grid.kind != FloatKind::fnuz ? ~kMagnitude : 0u};
}

void round_elements(const BlockFormat& format, const Blocks& blocks) {
  if (const auto* levels = std::get_if<LevelGrid>(&format.grid)) {
    LevelElement element{levels_of(levels->table).data(), level_bounds_of(levels->table).data()};
    return round_levels(format.rounding, element, blocks);
  }
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid)) {
    if (floats->mantissa_bits == 0)
      return round_powers_of_two(format.rounding, float_element<true>(*floats), blocks);
    FloatElement<false> element = float_element<false>(*floats);
    if (format.scale_type == ScaleType::e8m0) return round_microscaled(format.rounding, element, blocks);
    if (format.scale_type == ScaleType::e4m3_tensor) return round_two_level(format.rounding, element, blocks);
    return round_floats(format.rounding, element, blocks);
  }
  if (format.scale_type == ScaleType::e8m0) return round_fixed_points(format.rounding, blocks);
  round_integers(format.rounding, blocks);
}

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

// Inverses, and whether every block is plain. `floor` lies under the scale that is divided by; `largest` is a bound on
// the magnitude of a code.
FQ_VECTORIZED bool invert_scales(float floor, float largest, BlockScales& scales, size_t count) {
  uint32_t special = 0;
  for (size_t b = 0; b < count; ++b) {
    float scale = scales.scale[b];
    float inverse = 1.0f / choose(scale < floor, floor, scale);
    scales.inverse[b] = inverse;
    special |= static_cast<uint32_t>(!(scale > 0.0f)) | static_cast<uint32_t>(inverse > kLargest) |
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
  const bool affine = integers != nullptr && integers->scheme == IntegerScheme::asym;
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
  scales.plain = invert_scales(floor, largest, scales, count);
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
  scales.plain = invert_scales(0.0f, kLargestElement, scales, count);
}

// Rounds some blocks, at most kBlocksAtOnce, whose scales are known; `first_value` is the index of the first in the
// tensor.
void round_with_scales(const BlockFormat& format, const BlockScales& scales, size_t count, size_t length,
                       const TensorContext& context, uint64_t first_value, float* values) {
  if (format.rounding != Rounding::sr)
    return round_elements(format, {scales, 0, count, length, values, nullptr});
  constexpr size_t kWords = 4096;
  uint32_t words[kWords];
  for (size_t b = 0; b < count;) {
    // Several short blocks, or a part of a long one.
    size_t taken = std::clamp<size_t>(kWords / length, 1, count - b);
    for (size_t done = 0; done < length;) {
      size_t part = taken > 1 ? length : std::min(kWords, length - done);
      size_t first = b * length + done;
      fill_random_words(context.random_key, first_value + first, {words, taken * part});
      round_elements(format, {scales, b, taken, part, values + first, words});
      done += part;
    }
    b += taken;
  }
}

bool is_affine(const BlockFormat& format) {
  const auto* integers = std::get_if<IntegerGrid>(&format.grid);
  return integers != nullptr && integers->scheme == IntegerScheme::asym;
}

}  // namespace

void round_with_range(const BlockFormat& format, const ScaleRange& range, const TensorContext& context,
                      std::span<float> values) {
  FQ_CHECK(format.has_scale() && format.scale_type != ScaleType::e8m0 &&
           format.scale_type != ScaleType::e4m3_tensor);
  if (values.empty()) return;
  Ranges ranges;
  BlockScales scales;
  ranges.amax[0] = range.amax;
  ranges.min[0] = range.min;
  ranges.max[0] = range.max;
  find_scales(format, ranges, scales, 1);
  round_with_scales(format, scales, 1, values.size(), context, context.first_value, values.data());
}

// Blocks are handled some at a time, so that values stay in the nearest cache between the search for scales and the
// rounding.
void round_blocks(const BlockFormat& format, size_t block, const TensorContext& context,
                  std::span<float> values) {
  FQ_CHECK(block > 0 && values.size() % block == 0);
  constexpr size_t kValuesAtOnce = 4096;
  const size_t at_once = std::clamp<size_t>(kValuesAtOnce / block, 1, kBlocksAtOnce);
  const PowerRule rule = format.scale_type == ScaleType::e8m0 ? power_rule(format) : PowerRule{};
  const size_t block_count = values.size() / block;
  Ranges ranges;
  BlockScales scales;
  for (size_t first = 0; first < block_count; first += at_once) {
    size_t count = std::min(at_once, block_count - first);
    float* begin = values.data() + first * block;
    if (format.scale_type == ScaleType::e8m0) {
      block_amax_or_special(begin, block, {ranges.amax, count});
      find_powers(rule, ranges.amax, scales, count);
    } else if (format.scale_type == ScaleType::e4m3_tensor) {
      block_amax(begin, block, {ranges.amax, count});
      find_two_level_scales(context.range.amax, ranges.amax, scales, count);
    } else if (is_affine(format)) {
      block_bounds(begin, block, {ranges.min, count}, {ranges.max, count});
      find_scales(format, ranges, scales, count);
    } else {
      block_amax(begin, block, {ranges.amax, count});
      find_scales(format, ranges, scales, count);
    }
    round_with_scales(format, scales, count, block, context, context.first_value + first * block, begin);
  }
}

}  // namespace fakequant
