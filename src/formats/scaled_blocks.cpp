#include "formats/scaled_blocks.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/kernel.h"
#include "formats/random_words.h"
#include "formats/round_to_grid.h"
#include "formats/step_function.h"

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
  FQ_INLINE Rounded round(const BlockScale& s, float quotient, uint32_t word) const {
    // The bounds are whole numbers: clamping before rounding gives what clamping after it would.
    quotient = choose(quotient < s.lowest, s.lowest, quotient);
    quotient = choose(quotient > s.highest, s.highest, quotient);
    // A code of zero is +0: integers have no -0.
    if constexpr (rounding == Rounding::rne) {
      const float nearest = (quotient + 0x1.8p23f) - 0x1.8p23f;
      return {nearest, nearest};
    }
    const Rounded whole = round_whole<rounding>(__builtin_fabsf(quotient), word);
    return {__builtin_copysignf(whole.value, quotient) + 0.0f,
            __builtin_copysignf(whole.nearest, quotient) + 0.0f};
  }
};

// Multiples of 1/64 from -2 to 127/64: the elements of MXINT8.
struct FixedPointElement {
  template <Rounding rounding>
  FQ_INLINE Rounded round(const BlockScale& s, float quotient, uint32_t word) const {
    const BlockScale bounds{s.scale, s.inverse, -128.0f, 127.0f};
    const Rounded whole = IntegerElement().round<rounding>(bounds, quotient * 64.0f, word);
    return {whole.value * (1.0f / 64.0f), whole.nearest * (1.0f / 64.0f)};
  }
};

template <bool no_mantissa>
struct FloatElement {
  GridSteps steps;
  float max;
  float zero;  // what codes of zero keep their sign under: -0 added leaves it, +0 makes it +0 (fnuz)

  template <Rounding rounding>
  FQ_INLINE Rounded round(const BlockScale&, float quotient, uint32_t word) const {
    const uint32_t bits = bits_of(quotient);
    const uint32_t sign = bits & ~kMagnitude;
    float magnitude = float_of(bits & kMagnitude);
    // The largest value is on the grid: what is clamped first needs no clamp after rounding.
    magnitude = choose(magnitude > max, max, magnitude);
    const uint32_t exponent = std::max(bits_of(magnitude) & kInfinity, steps.lowest_exponent);
    const Rounded rounded = round_magnitude<rounding, no_mantissa>(steps, bits_of(magnitude), exponent, word);
    return {float_of(bits_of(rounded.value) | sign) + zero, float_of(bits_of(rounded.nearest) | sign) + zero};
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
    const Rounded code = element.template round<rounding>(s, quotient, word);
    float restored = code.value * s.scale;
    if ((rounding == Rounding::rtz || rounding == Rounding::sr) && !arithmetic.is_exact) {
      // What a code restores stays, though its quotient may not be a whole number.
      const float nearest = code.nearest * s.scale;
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

FQ_INLINE void make_zeros(float* values, size_t count) {
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
  size_t ahead;  // how far behind a value the one lies that will be read while the next scales are found
};

// Asks for values that the search for the next blocks' scales will read: it would wait for memory, which has nothing to
// do while these are rounded. Harmless behind the end; long blocks need no help.
FQ_INLINE void prefetch_ahead(const Blocks& blocks, const float* values) {
  constexpr size_t kLine = 64 / sizeof(float);
  constexpr size_t kLongest = 64;
  if (blocks.length > kLongest) return;
  for (size_t i = 0; i < blocks.length; i += kLine) __builtin_prefetch(values + blocks.ahead + i);
}

// Blocks whose scales BlockScales::plain is about. A constant length lets the compiler unroll the loop over it.
template <Rounding rounding, class Element>
FQ_INLINE void round_plain(const Element& element, const Blocks& blocks, const Arithmetic arithmetic) {
  for (size_t b = 0; b < blocks.count; ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    const BlockScale s = blocks.scales.at(blocks.first + b);
    prefetch_ahead(blocks, values);
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
    } else if (divides || s.inverse > kLargest) {
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
template <bool no_mantissa>
FloatElement<no_mantissa> float_element(const FloatGrid& grid) {
  return {.steps = steps_of(grid),
          .max = static_cast<float>(grid.max_value()),
          .zero = grid.kind == FloatKind::fnuz ? 0.0f : -0.0f};
}

bool chooses_between_neighbours(Rounding rounding) {
  return rounding == Rounding::rtz || rounding == Rounding::sr;
}

// From quotients to levels: the nearest, or the one at or below the quotient where rounding needs both neighbours.
StepFunction level_steps(LevelTable table, Rounding rounding) {
  std::span<const float, 16> levels = levels_of(table);
  std::span<const float, 15> bounds = level_bounds_of(table);
  StepFunction steps;
  std::copy(levels.begin(), levels.end(), steps.values.begin());
  for (size_t i = 0; i < steps.thresholds.size(); ++i) {
    float threshold = chooses_between_neighbours(rounding) ? levels[i + 1] : bounds[i];
    // To lie above the number before a threshold is to reach the threshold.
    bool reach = chooses_between_neighbours(rounding) || (rounding == Rounding::rna && threshold > 0);
    steps.thresholds[i] = reach ? std::nextafter(threshold, -INFINITY) : threshold;
  }
  return steps;
}

// The most values of which the levels are looked up together.
constexpr size_t kLevelsAtOnce = 1024;

struct LevelRun {
  float quotients[kLevelsAtOnce];
  float levels[kLevelsAtOnce];  // the nearest ones, or the lower neighbours
  float above[kLevelsAtOnce];   // the upper neighbours
};

FQ_VECTORIZED void make_quotients(const Blocks& blocks, float* quotients) {
  for (size_t b = 0; b < blocks.count; ++b) {
    const BlockScale s = blocks.scales.at(blocks.first + b);
    const float* values = blocks.values + b * blocks.length;
    prefetch_ahead(blocks, values);
    for (size_t i = 0; i < blocks.length; ++i) {
      float quotient = values[i] * s.inverse;
      quotient = choose(quotient < -1.0f, -1.0f, quotient);
      quotients[b * blocks.length + i] = choose(quotient > 1.0f, 1.0f, quotient);
    }
  }
}

template <Rounding rounding>
FQ_INLINE float choose_level(float quotient, float below, float above, uint32_t word) {
  if constexpr (rounding == Rounding::rtz) return choose(quotient < 0.0f && quotient != below, above, below);
  const float gap = choose(above > below, above - below, 1.0f);
  return choose(random_step(1.0f, (quotient - below) * 0x1p31f / gap, word) > 0.0f, above, below);
}

template <Rounding rounding>
FQ_INLINE void restore_levels(const Blocks& blocks, const LevelRun& run) {
  for (size_t b = 0; b < blocks.count; ++b) {
    const float scale = blocks.scales.scale[blocks.first + b];
    const size_t first = b * blocks.length;
    float* values = blocks.values + first;
    if (!(scale > 0)) {
      make_zeros(values, blocks.length);
      continue;
    }
    for (size_t i = 0; i < blocks.length; ++i) {
      const float value = values[i];
      const float level = run.levels[first + i];
      if constexpr (rounding == Rounding::rne) {
        values[i] = level * scale;
        continue;
      }
      const float quotient = run.quotients[first + i];
      const float above = run.above[first + i];
      const uint32_t word = rounding == Rounding::sr ? blocks.words[first + i] : 0;
      // What a level restores stays, though its quotient may lie beside it.
      const float nearest = choose(quotient - level < above - quotient, level, above) * scale;
      const float chosen = choose_level<rounding>(quotient, level, above, word) * scale;
      const float restored = choose(nearest == value, nearest, chosen);
      values[i] = choose(value == value, restored, level);
    }
  }
}

FQ_VECTORIZED void restore_from_levels(Rounding rounding, const Blocks& blocks, const LevelRun& run) {
  switch (rounding) {
    case Rounding::rne:
    case Rounding::rna:
      return restore_levels<Rounding::rne>(blocks, run);
    case Rounding::rtz:
      return restore_levels<Rounding::rtz>(blocks, run);
    case Rounding::sr:
      return restore_levels<Rounding::sr>(blocks, run);
  }
}

// Several short blocks or a part of a long one, at most kLevelsAtOnce values: looking levels up needs no scale.
void round_level_run(const StepFunction& steps, Rounding rounding, const Blocks& blocks) {
  LevelRun run;
  const size_t count = blocks.count * blocks.length;
  make_quotients(blocks, run.quotients);
  if (chooses_between_neighbours(rounding)) {
    steps.apply(run.quotients, run.levels, run.above, count);
  } else {
    steps.apply(run.quotients, run.levels, count);
  }
  restore_from_levels(rounding, blocks, run);
}

// The parts of `blocks` of at most `most` values: several blocks, or a part of one.
template <class Body>
void for_each_part(const Blocks& blocks, size_t most, Body body) {
  for (size_t b = 0; b < blocks.count;) {
    const size_t taken = std::clamp<size_t>(most / blocks.length, 1, blocks.count - b);
    for (size_t done = 0; done < blocks.length;) {
      const size_t length = taken > 1 ? blocks.length : std::min(most, blocks.length - done);
      const size_t offset = b * blocks.length + done;
      body(Blocks{blocks.scales, blocks.first + b, taken, length, blocks.values + offset,
                  blocks.words != nullptr ? blocks.words + offset : nullptr, blocks.ahead},
           offset);
      done += length;
    }
    b += taken;
  }
}

void round_levels(LevelTable table, Rounding rounding, const Blocks& blocks) {
  const StepFunction steps = level_steps(table, rounding);
  for_each_part(blocks, kLevelsAtOnce,
                [&](const Blocks& part, size_t) { round_level_run(steps, rounding, part); });
}

void round_elements(const BlockFormat& format, const Blocks& blocks) {
  if (const auto* levels = std::get_if<LevelGrid>(&format.grid))
    return round_levels(levels->table, format.rounding, blocks);
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

// The same for scales that are divided by.
FQ_VECTORIZED bool all_plain(float largest, const BlockScales& scales, size_t count) {
  uint32_t special = 0;
  for (size_t b = 0; b < count; ++b) {
    const float scale = scales.scale[b];
    special |= static_cast<uint32_t>(!(scale > 0.0f)) | static_cast<uint32_t>(scale * largest > kLargest);
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
  scales.plain = all_plain(kLargestElement, scales, count);
}

// Rounds some blocks, at most kBlocksAtOnce, whose scales are known; `first_value` is the index of the first in the
// tensor.
void round_with_scales(const BlockFormat& format, const BlockScales& scales, size_t count, size_t length,
                       const TensorContext& context, uint64_t first_value, float* values) {
  if (format.rounding != Rounding::sr)
    return round_elements(format, {scales, 0, count, length, values, nullptr, count * length});
  constexpr size_t kWords = 4096;
  uint32_t words[kWords];
  for_each_part(
      {scales, 0, count, length, values, nullptr, count * length}, kWords, [&](Blocks part, size_t offset) {
        fill_random_words(context.random_key, first_value + offset, {words, part.count * part.length});
        part.words = words;
        round_elements(format, part);
      });
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
