#pragma once
// The exponential function for loops that the compiler vectorizes.

#include <bit>
#include <cstdint>

#include "base/simd.h"

namespace fakequant {

// exp(x) of x <= 0, with a relative error of at most 1e-15; 0 below -700, NaN for NaN. The same bits on every processor.
// Plain arithmetic: x = n ln 2 + r with |r| <= ln 2 / 2, a Taylor series for exp(r), and n added to the exponent.
FQ_INLINE double exp_down(double x) {
  constexpr double kLeast = -700;
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0x1.62e42feep-1;  // n times it is exact
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kRounder = 0x1.8p52;  // added, it leaves a whole number in the low bits
  double clamped = x < kLeast ? kLeast : x;
  double shifted = clamped * kLog2E + kRounder;
  double n = shifted - kRounder;
  double r = (clamped - n * kLn2High) - n * kLn2Low;
  double series = 1.0 / 479001600;
  series = series * r + 1.0 / 39916800;
  series = series * r + 1.0 / 3628800;
  series = series * r + 1.0 / 362880;
  series = series * r + 1.0 / 40320;
  series = series * r + 1.0 / 5040;
  series = series * r + 1.0 / 720;
  series = series * r + 1.0 / 120;
  series = series * r + 1.0 / 24;
  series = series * r + 1.0 / 6;
  series = series * r + 0.5;
  series = series * r + 1.0;
  series = series * r + 1.0;
  uint64_t bits = std::bit_cast<uint64_t>(series) + (std::bit_cast<uint64_t>(shifted) << 52);
  double result = x < kLeast ? 0.0 : std::bit_cast<double>(bits);
  return x == x ? result : x;
}

}  // namespace fakequant
