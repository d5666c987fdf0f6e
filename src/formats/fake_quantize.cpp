#include "formats/fake_quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/simd.h"

namespace fakequant {

namespace {

constexpr uint32_t kMagnitude = 0x7FFFFFFF;
constexpr uint32_t kInfinity = 0x7F800000;
constexpr uint32_t kQuiet = 0x00400000;
constexpr float kLargest = std::numeric_limits<float>::max();

FQ_INLINE uint32_t bits_of(float value) {
  return std::bit_cast<uint32_t>(value);
}
FQ_INLINE float float_of(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

// condition ? a : b, written with masks: GCC makes branches of some choices, and then does not vectorize the
// loop around them.
FQ_INLINE uint32_t choose(bool condition, uint32_t a, uint32_t b) {
  uint32_t mask = 0u - static_cast<uint32_t>(condition);
  return (a & mask) | (b & ~mask);
}

FQ_INLINE float choose(bool condition, float a, float b) {
  return float_of(choose(condition, bits_of(a), bits_of(b)));
}

// What a grid puts in place of the values it lacks, as F32 magnitudes.
struct GridConstants {
  int mantissa_bits;
  uint32_t lowest_exponent_field;   // of the F32 pattern of the smallest normal
  uint32_t highest_exponent_field;  // one above the largest value's, where everything overflows
  uint32_t max;                     // largest value
  uint32_t overflowed;              // for a finite value beyond it
  uint32_t infinite;                // for Inf
  uint32_t keeps_negative_zero;     // 1 or 0
};

GridConstants constants_of(const FloatGrid& grid, Rounding rounding, Overflow overflow) {
  auto max = bits_of(static_cast<float>(grid.max_value()));
  uint32_t beyond = overflow == Overflow::saturate || grid.kind == FloatKind::finite ? max
                    : grid.has_infinity()                                            ? kInfinity
                                                                                     : kInfinity | kQuiet;
  return {.mantissa_bits = grid.mantissa_bits,
          .lowest_exponent_field = static_cast<uint32_t>(grid.min_exponent() + 127),
          .highest_exponent_field = static_cast<uint32_t>(std::min(grid.max_exponent() + 128, 254)),
          .max = max,
          .overflowed = rounding == Rounding::rtz ? max : beyond,
          .infinite = beyond,
          .keeps_negative_zero = grid.kind != FloatKind::fnuz ? 1u : 0u};
}

// Rounds a non-negative quotient below 2^23 to a whole number.
template <Rounding rounding>
FQ_INLINE float round_quotient(float quotient) {
  if constexpr (rounding == Rounding::rne) return (quotient + 0x1p23f) - 0x1p23f;
  float whole = __builtin_truncf(quotient);
  // The fraction is exact here; quotient + 0.5 would not be (0.49999997f + 0.5f is 1).
  if constexpr (rounding == Rounding::rna) return choose(quotient - whole >= 0.5f, whole + 1.0f, whole);
  return whole;
}

// Puts sign and specials around the rounded magnitude of `original`.
FQ_INLINE float finish(const GridConstants& c, uint32_t original, uint32_t rounded) {
  uint32_t magnitude = original & kMagnitude;
  uint32_t result = choose(rounded > c.max, c.overflowed, rounded);
  result = choose(magnitude == kInfinity, c.infinite, result);
  uint32_t keeps_sign = static_cast<uint32_t>(result != 0) | c.keeps_negative_zero;
  result |= original & (keeps_sign << 31);
  return float_of(choose(magnitude > kInfinity, original | kQuiet, result));
}

// Grids with F32's own exponent range: the patterns are equally spaced, so rounding is integer arithmetic on
// them.
template <Rounding rounding>
FQ_INLINE void round_wide(const GridConstants& c, float* values, size_t count) {
  const int dropped = 23 - c.mantissa_bits;
  const uint32_t step = uint32_t{1} << dropped;
  for (size_t i = 0; i < count; ++i) {
    uint32_t original = bits_of(values[i]);
    uint32_t rounded = original & kMagnitude;
    if constexpr (rounding == Rounding::rne) rounded += (step / 2 - 1) + ((rounded >> dropped) & 1);
    if constexpr (rounding == Rounding::rna) rounded += step / 2;
    rounded &= ~(step - 1);
    float result = finish(c, original, rounded);
    // A NaN may keep payload only in bits that the format has.
    values[i] = float_of(bits_of(result) & ~(step - 1));
  }
}

// Grids with fewer exponents: quotient by the spacing around the value, a power of two, so that it is exact.
template <Rounding rounding>
FQ_INLINE void round_narrow(const GridConstants& c, float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t original = bits_of(values[i]);
    uint32_t magnitude = original & kMagnitude;
    uint32_t exponent = magnitude >> 23;
    exponent = choose(exponent < c.lowest_exponent_field, c.lowest_exponent_field, exponent);
    exponent = choose(exponent > c.highest_exponent_field, c.highest_exponent_field, exponent);
    uint32_t spacing_field = exponent - static_cast<uint32_t>(c.mantissa_bits);
    float spacing = float_of(spacing_field << 23);
    float inverse = float_of((254 - spacing_field) << 23);
    float rounded = round_quotient<rounding>(float_of(magnitude) * inverse) * spacing;
    values[i] = finish(c, original, bits_of(rounded));
  }
}

FQ_VECTORIZED void wide_rne(const GridConstants& c, float* v, size_t n) {
  round_wide<Rounding::rne>(c, v, n);
}
FQ_VECTORIZED void wide_rtz(const GridConstants& c, float* v, size_t n) {
  round_wide<Rounding::rtz>(c, v, n);
}
FQ_VECTORIZED void wide_rna(const GridConstants& c, float* v, size_t n) {
  round_wide<Rounding::rna>(c, v, n);
}
FQ_VECTORIZED void narrow_rne(const GridConstants& c, float* v, size_t n) {
  round_narrow<Rounding::rne>(c, v, n);
}
FQ_VECTORIZED void narrow_rtz(const GridConstants& c, float* v, size_t n) {
  round_narrow<Rounding::rtz>(c, v, n);
}
FQ_VECTORIZED void narrow_rna(const GridConstants& c, float* v, size_t n) {
  round_narrow<Rounding::rna>(c, v, n);
}

// A float pattern as an integer that orders as the values do.
FQ_INLINE int32_t ordered(uint32_t bits) {
  auto pattern = static_cast<int32_t>(bits);
  return pattern ^ ((pattern >> 31) & static_cast<int32_t>(kMagnitude));
}

FQ_INLINE float from_ordered(int32_t order) {
  return float_of(static_cast<uint32_t>(order ^ ((order >> 31) & static_cast<int32_t>(kMagnitude))));
}

FQ_INLINE float amax_of(const float* values, size_t count) {
  uint32_t amax = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t magnitude = bits_of(values[i]) & kMagnitude;
    magnitude = choose(magnitude < kInfinity, magnitude, 0);
    amax = std::max(amax, magnitude);
  }
  return float_of(amax);
}

FQ_INLINE ScaleRange range_of(const float* values, size_t count) {
  uint32_t amax = 0;
  int32_t low = 0;
  int32_t high = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits = bits_of(values[i]);
    bits = choose((bits & kMagnitude) < kInfinity, bits, 0);
    int32_t order = ordered(bits);
    amax = std::max(amax, bits & kMagnitude);
    low = std::min(low, order);
    high = std::max(high, order);
  }
  return {float_of(amax), from_ordered(low), from_ordered(high)};
}

// Everything that the values sharing one scale are rounded with.
struct IntegerScale {
  float scale;
  float inverse;  // 1 / scale
  float lowest;   // code range, zero point already taken off
  float highest;
  bool divides;  // 1 / scale is beyond F32: divide by scale
};

float stored_scale(float scale, ScaleType type) {
  if (type == ScaleType::f32) return scale;
  round_to_grid(type == ScaleType::f16 ? kF16 : kBf16, Rounding::rne, Overflow::saturate, {&scale, 1});
  return scale;
}

FQ_INLINE float whole_number(float value, Rounding rounding) {
  if (rounding == Rounding::rne) return (value + 0x1.8p23f) - 0x1.8p23f;
  float magnitude = __builtin_fabsf(value);
  float whole = __builtin_truncf(magnitude);
  if (rounding == Rounding::rna) whole = choose(magnitude - whole >= 0.5f, whole + 1.0f, whole);
  return __builtin_copysignf(whole, value);
}

IntegerScale integer_scale(const BlockFormat& format, const ScaleRange& range) {
  const auto& grid = std::get<IntegerGrid>(format.grid);
  const float levels = static_cast<float>((1 << grid.bits) - 1);
  const float half = static_cast<float>((1 << (grid.bits - 1)) - 1);
  IntegerScale result{.scale = 0, .inverse = 0, .lowest = -half, .highest = half, .divides = false};
  if (grid.scheme == IntegerScheme::restricted) result.scale = range.amax / half;
  if (grid.scheme == IntegerScheme::full) {
    result.scale = range.amax / (levels / 2);
    result.lowest = -half - 1;
  }
  if (grid.scheme == IntegerScheme::asym) {
    float width = range.max - range.min;
    result.scale = std::isinf(width) ? range.max / levels - range.min / levels : width / levels;
  }
  result.scale = stored_scale(result.scale, format.scale_type);
  result.inverse = 1.0f / result.scale;
  result.divides = result.scale > 0 && std::isinf(result.inverse);
  if (grid.scheme == IntegerScheme::asym && result.scale > 0) {
    // As torch: the zero point is rounded on its own, so that 0 is exact and the ends may clip by half a
    // step.
    float zero_point = whole_number(-(range.min / result.scale), Rounding::rne);
    zero_point = std::min(std::max(zero_point, 0.0f), levels);
    result.lowest = -zero_point;
    result.highest = levels - zero_point;
  }
  return result;
}

// `divides` is a constant where this is called, or every value would pay for a division.
FQ_INLINE void round_with_scale(const IntegerScale s, bool divides, Rounding rounding, float* values,
                                size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float value = values[i];
    float quotient = divides ? value / s.scale : value * s.inverse;
    // The bounds are whole numbers: clamping before rounding gives what clamping after it would.
    quotient = choose(quotient < s.lowest, s.lowest, quotient);
    quotient = choose(quotient > s.highest, s.highest, quotient);
    float restored = whole_number(quotient, rounding) * s.scale;
    // Next to the end of F32 a code's product can lie beyond it.
    restored = choose(restored > kLargest, kLargest, restored);
    restored = choose(restored < -kLargest, -kLargest, restored);
    // A code of zero is +0: integers have no -0.
    restored += 0.0f;
    values[i] = choose(value == value, restored, float_of(bits_of(value) | kQuiet));
  }
}

FQ_INLINE void round_block(const IntegerScale& s, Rounding rounding, float* values, size_t count) {
  if (s.divides) {
    round_with_scale(s, true, rounding, values, count);
    return;
  }
  if (s.scale > 0) {
    round_with_scale(s, false, rounding, values, count);
    return;
  }
  for (size_t i = 0; i < count; ++i)
    values[i] = choose(values[i] == values[i], 0.0f, float_of(bits_of(values[i]) | kQuiet));
}

FQ_VECTORIZED ScaleRange scan(const float* values, size_t count) {
  return range_of(values, count);
}

// The ranges of consecutive blocks; symmetric schemes need the magnitude alone.
FQ_VECTORIZED void scan_blocks(const float* values, size_t block, std::span<ScaleRange> ranges,
                               bool magnitude_only) {
  for (size_t b = 0; b < ranges.size(); ++b) {
    if (magnitude_only) {
      ranges[b].amax = amax_of(values + b * block, block);
    } else {
      ranges[b] = range_of(values + b * block, block);
    }
  }
}

template <Rounding rounding>
FQ_INLINE void round_blocks(std::span<const IntegerScale> scales, size_t block, float* values) {
  for (size_t b = 0; b < scales.size(); ++b) round_block(scales[b], rounding, values + b * block, block);
}

using Scales = std::span<const IntegerScale>;
FQ_VECTORIZED void round_blocks_rne(Scales scales, size_t block, float* v) {
  round_blocks<Rounding::rne>(scales, block, v);
}
FQ_VECTORIZED void round_blocks_rtz(Scales scales, size_t block, float* v) {
  round_blocks<Rounding::rtz>(scales, block, v);
}
FQ_VECTORIZED void round_blocks_rna(Scales scales, size_t block, float* v) {
  round_blocks<Rounding::rna>(scales, block, v);
}

void round_scaled_blocks(Rounding rounding, Scales scales, size_t block, float* values) {
  auto* kernel = rounding == Rounding::rne   ? round_blocks_rne
                 : rounding == Rounding::rtz ? round_blocks_rtz
                                             : round_blocks_rna;
  kernel(scales, block, values);
}

// Blocks are handled some at a time, so that values stay in the nearest cache between the scan and the
// rounding.
void round_own_blocks(const BlockFormat& format, size_t block, std::span<float> values) {
  constexpr size_t kBlocksAtOnce = 64;
  ScaleRange ranges[kBlocksAtOnce];
  IntegerScale scales[kBlocksAtOnce];
  bool magnitude_only = std::get<IntegerGrid>(format.grid).scheme != IntegerScheme::asym;
  size_t block_count = values.size() / block;
  for (size_t first = 0; first < block_count; first += kBlocksAtOnce) {
    size_t count = std::min(kBlocksAtOnce, block_count - first);
    float* begin = values.data() + first * block;
    scan_blocks(begin, block, {ranges, count}, magnitude_only);
    for (size_t b = 0; b < count; ++b) scales[b] = integer_scale(format, ranges[b]);
    round_scaled_blocks(format.rounding, {scales, count}, block, begin);
  }
}

}  // namespace

void ScaleRange::merge(const ScaleRange& other) {
  amax = std::max(amax, other.amax);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ScaleRange scale_range(std::span<const float> values) {
  return scan(values.data(), values.size());
}

void round_to_grid(const FloatGrid& grid, Rounding rounding, Overflow overflow, std::span<float> values) {
  if (grid == kF32 && overflow == Overflow::infinite) return;
  GridConstants c = constants_of(grid, rounding, overflow);
  bool wide = grid.exponent_bits == 8 && grid.bias == 127;
  FQ_CHECK(wide ? grid.kind == FloatKind::ieee && grid.mantissa_bits < 23 : grid.exponent_bits < 8);
  FQ_CHECK(grid.mantissa_bits >= 1);
  auto* kernel = rounding == Rounding::rne   ? (wide ? wide_rne : narrow_rne)
                 : rounding == Rounding::rtz ? (wide ? wide_rtz : narrow_rtz)
                                             : (wide ? wide_rna : narrow_rna);
  kernel(c, values.data(), values.size());
}

void round_to_integers(const BlockFormat& format, const ScaleRange& range, std::span<float> values) {
  IntegerScale scale = integer_scale(format, range);
  round_scaled_blocks(format.rounding, {&scale, 1}, values.size(), values.data());
}

void fake_quantize_rows(const BlockFormat& format, int64_t row_length, const ScaleRange& tensor,
                        std::span<float> values) {
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) {
    round_to_grid(*grid, format.rounding, format.overflow, values);
    return;
  }
  if (format.extent == ScaleExtent::tensor) {
    round_to_integers(format, tensor, values);
    return;
  }
  auto block = static_cast<size_t>(format.extent == ScaleExtent::row ? row_length : format.group_values);
  if (block == 0 || row_length % static_cast<int64_t>(block) != 0 || values.size() % block != 0) {
    throw Error("rows of {} values do not divide into blocks of {}", row_length, block);
  }
  round_own_blocks(format, block, values);
}

}  // namespace fakequant
