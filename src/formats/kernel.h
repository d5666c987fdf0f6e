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

// 1 with probability `fraction`, in [0, 1), over random words; else 0. Exact to 2^-31, and 0 where the fraction is.
FQ_INLINE float random_step(float fraction, uint32_t word) {
  fraction = choose(fraction < 1.0f, fraction, 0.0f);  // NaN and Inf never get here with a meaning
  auto scaled = static_cast<uint32_t>(static_cast<int32_t>(fraction * 0x1p31f));
  return static_cast<float>(static_cast<int32_t>((scaled + (word >> 1)) >> 31));
}

// Rounds a non-negative quotient below 2^23 to a whole number. `word` is for stochastic rounding.
template <Rounding rounding>
FQ_INLINE float round_quotient(float quotient, uint32_t word) {
  if constexpr (rounding == Rounding::rne) return (quotient + 0x1p23f) - 0x1p23f;
  float whole = __builtin_truncf(quotient);
  // The fraction is exact here; quotient + 0.5 would not be (0.49999997f + 0.5f is 1).
  if constexpr (rounding == Rounding::rna) return whole + choose(quotient - whole >= 0.5f, 1.0f, 0.0f);
  if constexpr (rounding == Rounding::sr) return whole + random_step(quotient - whole, word);
  return whole;
}

// The F32 exponent fields between which a grid's values lie, and its step within a binade.
struct GridSteps {
  uint32_t mantissa_bits;
  uint32_t lowest_exponent_field;  // of the F32 pattern of the smallest normal
};

// Rounds a magnitude, given as an F32 pattern, to the multiples of the grid's step at `exponent`: the magnitude's own
// exponent field, but at least the grid's lowest. Exact for every rounding.
//
//   no_mantissa  the grid holds powers of two alone: a tie goes to the even exponent code
template <Rounding rounding, bool no_mantissa>
FQ_INLINE float round_magnitude(const GridSteps& grid, uint32_t magnitude, uint32_t exponent, uint32_t word) {
  if constexpr (rounding == Rounding::rne) {
    // The sum with 2^23 steps has the step as its last place, so that adding rounds and subtracting is exact.
    float steps = float_of((exponent + (23 - grid.mantissa_bits)) << 23);
    float rounded = (float_of(magnitude) + steps) - steps;
    if constexpr (no_mantissa) {
      // The smallest normal has code 1: at an odd distance from it the lower neighbour of a tie has an even code.
      uint32_t tie = static_cast<uint32_t>((magnitude & 0x007FFFFFu) == 0x00400000u);
      uint32_t lower_is_even = (exponent - grid.lowest_exponent_field) & 1u;
      rounded = choose((tie & lower_is_even) != 0, float_of(exponent << 23), rounded);
    }
    return rounded;
  }
  // Step and inverse are powers of two: the quotient is exact.
  uint32_t step_field = exponent - grid.mantissa_bits;
  float step = float_of(step_field << 23);
  float inverse = float_of((254 - step_field) << 23);
  return round_quotient<rounding>(float_of(magnitude) * inverse, word) * step;
}

}  // namespace fakequant::kernel
