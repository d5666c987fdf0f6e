#include "formats/round_to_grid.h"

#include <algorithm>

#include "base/error.h"
#include "formats/kernel.h"

namespace fakequant {

namespace {

using namespace kernel;

// What a grid puts in place of the values it lacks, as F32 magnitudes.
struct GridConstants {
  GridSteps steps;
  uint32_t overflow_begin;       // a power of two beyond the largest value
  uint32_t max;                  // largest value
  uint32_t overflowed;           // for a finite value beyond it
  uint32_t infinite;             // for Inf
  uint32_t keeps_negative_zero;  // 1 or 0
};

GridConstants constants_of(const FloatGrid& grid, Rounding rounding, Overflow overflow) {
  auto max = bits_of(static_cast<float>(grid.max_value()));
  uint32_t beyond = overflow == Overflow::saturate || grid.kind == FloatKind::finite ? max
                    : grid.has_infinity()                                            ? kInfinity
                                                                                     : kInfinity | kQuiet;
  return {.steps = steps_of(grid),
          .overflow_begin = static_cast<uint32_t>(std::min(grid.max_exponent() + 128, 254)) << 23,
          .max = max,
          .overflowed = rounding == Rounding::rtz ? max : beyond,
          .infinite = beyond,
          .keeps_negative_zero = grid.kind != FloatKind::fnuz ? 1u : 0u};
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

// Grids with F32's own exponents: their values are equally spaced among F32 patterns, so that rounding is integer
// arithmetic on those.
//
//   low_binade  the grid has one more binade below F32's normals (fnuz, bias 128), where its step is half
template <Rounding rounding, bool low_binade>
FQ_INLINE void round_wide(const GridConstants& c, float* values, const uint32_t* words, size_t count) {
  const uint32_t dropped = 23 - (c.steps.mantissa >> 23);
  const uint32_t wide_step = uint32_t{1} << dropped;
  for (size_t i = 0; i < count; ++i) {
    uint32_t original = bits_of(values[i]);
    uint32_t rounded = original & kMagnitude;
    uint32_t step = wide_step;
    if constexpr (low_binade) step = choose(rounded < 0x00800000u, wide_step >> 1, wide_step);
    uint32_t below_half = (step - 1) >> 1;
    // A step of one pattern leaves nothing to round.
    uint32_t odd = static_cast<uint32_t>((rounded & step) != 0) & static_cast<uint32_t>(step > 1);
    // Without mantissa bits the last bit is the exponent's, and fnuz's bias is one more than F32's.
    if constexpr (low_binade) odd ^= static_cast<uint32_t>(step == 0x00800000u);
    if constexpr (rounding == Rounding::rne) rounded += below_half + odd;
    if constexpr (rounding == Rounding::rna) rounded += step >> 1;
    if constexpr (rounding == Rounding::sr) rounded += (words[i] >> (32 - dropped)) & (step - 1);
    rounded &= ~(step - 1);
    float result = finish(c, original, rounded);
    // A NaN may keep payload only in bits that the format has, and stays quiet.
    values[i] = float_of(bits_of(result) & (~(step - 1) | kQuiet));
  }
}

// Grids with fewer exponents.
template <Rounding rounding, bool no_mantissa>
FQ_INLINE void round_narrow(const GridConstants& c, float* values, const uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t original = bits_of(values[i]);
    // All that overflows is one number: beyond 2^23 steps there would be nothing to round.
    const uint32_t magnitude = std::min(original & kMagnitude, c.overflow_begin);
    const uint32_t exponent = std::max(magnitude & kInfinity, c.steps.lowest_exponent);
    uint32_t word = rounding == Rounding::sr ? words[i] : 0;
    const float rounded = round_magnitude<rounding, no_mantissa>(c.steps, magnitude, exponent, word).value;
    values[i] = finish(c, original, bits_of(rounded));
  }
}

// Which loop a grid takes.
enum class Path { wide, wide_low_binade, narrow, narrow_no_mantissa };

template <Rounding rounding>
FQ_INLINE void round_on(Path path, const GridConstants& c, float* values, const uint32_t* words,
                        size_t count) {
  switch (path) {
    case Path::wide:
      return round_wide<rounding, false>(c, values, words, count);
    case Path::wide_low_binade:
      return round_wide<rounding, true>(c, values, words, count);
    case Path::narrow:
      return round_narrow<rounding, false>(c, values, words, count);
    case Path::narrow_no_mantissa:
      return round_narrow<rounding, true>(c, values, words, count);
  }
}

FQ_VECTORIZED void round_all(Rounding rounding, Path path, const GridConstants& constants, float* values,
                             const uint32_t* words, size_t count) {
  const GridConstants c = constants;
  switch (rounding) {
    case Rounding::rne:
      return round_on<Rounding::rne>(path, c, values, words, count);
    case Rounding::rtz:
      return round_on<Rounding::rtz>(path, c, values, words, count);
    case Rounding::rna:
      return round_on<Rounding::rna>(path, c, values, words, count);
    case Rounding::sr:
      return round_on<Rounding::sr>(path, c, values, words, count);
  }
}

Path path_of(const FloatGrid& grid) {
  if (grid.exponent_bits < 8) return grid.mantissa_bits == 0 ? Path::narrow_no_mantissa : Path::narrow;
  return grid.bias == 127 ? Path::wide : Path::wide_low_binade;
}

}  // namespace

void round_to_grid(const FloatGrid& grid, Rounding rounding, Overflow overflow, std::span<float> values,
                   std::span<const uint32_t> words) {
  if (grid == kF32 && overflow == Overflow::infinite) return;
  bool wide = grid.exponent_bits == 8 && ((grid.kind == FloatKind::ieee && grid.bias == 127) ||
                                          (grid.kind == FloatKind::fnuz && grid.bias == 128));
  FQ_CHECK(wide || (grid.exponent_bits >= 2 && grid.exponent_bits < 8));
  FQ_CHECK(grid.mantissa_bits >= 0 && grid.mantissa_bits <= 22);
  FQ_CHECK(rounding != Rounding::sr || words.size() == values.size());
  round_all(rounding, path_of(grid), constants_of(grid, rounding, overflow), values.data(), words.data(),
            values.size());
}

}  // namespace fakequant
