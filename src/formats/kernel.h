#pragma once
// The arithmetic that the rounding loops share, one value at a time. Everything is inlined into FQ_VECTORIZED
// functions; nothing here is for other folders.

#include <bit>
#include <cstdint>
#include <limits>

#include "base/simd.h"
#include "formats/block_format.h"

namespace fakequant::kernel {

inline constexpr uint32_t kMagnitude = 0x7FFFFFFF;
inline constexpr uint32_t kInfinity = 0x7F800000;
inline constexpr uint32_t kQuiet = 0x00400000;
inline constexpr float kLargest = std::numeric_limits<float>::max();

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

// `step` with the probability that `scaled` is of 2^31, over random words; else 0. `scaled` is at most 2^31; NaN and
// beyond, which have no meaning here, give 0.
FQ_INLINE float random_step(float step, float scaled, uint32_t word) {
  scaled = choose(scaled < 0x1p31f, scaled, 0.0f);
  // The sum of two numbers of 31 bits carries into the sign with just that probability.
  const uint32_t sum = static_cast<uint32_t>(static_cast<int32_t>(scaled)) + (word >> 1);
  return choose((sum >> 31) != 0, step, 0.0f);
}

// Whether a rounding may take a code that is not the nearest.
constexpr bool chooses_between_neighbours(Rounding rounding) {
  return rounding == Rounding::rtz || rounding == Rounding::sr;
}

// What a value rounds to, and the nearest one besides where the rounding is another.
struct Rounded {
  float value;
  float nearest;
};

// Rounds a non-negative number below 2^22 to whole numbers. `word` is for stochastic rounding.
template <Rounding rounding>
FQ_INLINE Rounded round_whole(float number, uint32_t word) {
  const float nearest = (number + 0x1p23f) - 0x1p23f;
  if constexpr (rounding == Rounding::rne) return {nearest, nearest};
  // The difference is exact; number + 0.5 would not be (0.49999997f + 0.5f is 1).
  if constexpr (rounding == Rounding::rna)
    return {nearest + choose(number - nearest == 0.5f, 1.0f, 0.0f), nearest};
  const float below = nearest - choose(nearest > number, 1.0f, 0.0f);
  if constexpr (rounding == Rounding::rtz) return {below, nearest};
  return {below + random_step(1.0f, (number - below) * 0x1p31f, word), nearest};
}

// `restored`, unless the nearest code's value is the value itself but for the rounding of scale and product: two units in
// the last place. Its quotient may then lie just below a code, and rtz would take off a whole step: amax x (1 / (amax /
// 7)) is 6.9999995 for some amax.
FQ_INLINE float unless_restored(float nearest, float value, float restored) {
  const uint32_t apart = bits_of(nearest) - bits_of(value) + 2;
  return choose(apart <= 4, nearest, restored);
}

// A grid as rounding sees it; exponents are F32 patterns without sign and mantissa.
struct GridSteps {
  uint32_t mantissa;         // mantissa bits, where the exponent field stands: bits << 23
  uint32_t lowest_exponent;  // of the smallest normal
};

inline GridSteps steps_of(const FloatGrid& grid) {
  return {.mantissa = static_cast<uint32_t>(grid.mantissa_bits) << 23,
          .lowest_exponent = static_cast<uint32_t>(grid.min_exponent() + 127) << 23};
}

// Rounds a magnitude, given as an F32 pattern, to the multiples of the grid's step at `exponent`: the magnitude's own
// exponent, but at least the grid's lowest. Exact for every rounding.
//
//   no_mantissa  the grid holds powers of two alone: a tie goes to the even exponent code
template <Rounding rounding, bool no_mantissa>
FQ_INLINE Rounded round_magnitude(const GridSteps& grid, uint32_t pattern, uint32_t exponent, uint32_t word) {
  const float magnitude = float_of(pattern);
  const uint32_t step_bits = exponent - grid.mantissa;
  const float step = float_of(step_bits);
  // 2^23 steps: the sum has the step as its last place, so that adding rounds and subtracting is exact.
  const float steps = float_of(step_bits + (23u << 23));
  const float nearest = (magnitude + steps) - steps;
  if constexpr (rounding == Rounding::rne && no_mantissa) {
    // The smallest normal has code 1: at an odd distance from it the lower neighbour of a tie has an even code.
    const auto tie = static_cast<uint32_t>((pattern & 0x007FFFFFu) == 0x00400000u);
    const uint32_t lower_is_even = ((exponent - grid.lowest_exponent) >> 23) & 1u;
    const float even = choose((tie & lower_is_even) != 0, float_of(exponent), nearest);
    return {even, even};
  }
  if constexpr (rounding == Rounding::rne) return {nearest, nearest};
  if constexpr (rounding == Rounding::rna) {
    const float half_step = float_of(step_bits - (1u << 23));
    return {nearest + choose(magnitude - nearest == half_step, step, 0.0f), nearest};
  }
  const float below = nearest - choose(nearest > magnitude, step, 0.0f);
  if constexpr (rounding == Rounding::rtz) return {below, nearest};
  const float steps_to_31_bits = float_of(((254u + 31u) << 23) - step_bits);
  return {below + random_step(step, (magnitude - below) * steps_to_31_bits, word), nearest};
}

}  // namespace fakequant::kernel
