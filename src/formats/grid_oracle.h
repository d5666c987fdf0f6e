#pragma once
// For tests only: rounding to a floating-point grid by the definition of the format, sharing nothing with the
// code under test but FloatGrid's four numbers. Slow and plain: lists all values in long double and takes the
// nearest.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/block_format.h"

namespace fakequant::formats_testing {

class GridOracle {
 public:
  explicit GridOracle(const FloatGrid& grid) : grid_(grid) {
    // The codes of the format without sign; those at the top that mean no number are left out.
    const int64_t exponents = int64_t{1} << grid.exponent_bits;
    const int64_t mantissas = int64_t{1} << grid.mantissa_bits;
    last_code_ = exponents * mantissas - 1;
    if (grid.kind == FloatKind::fn) last_code_ -= 1;
    if (grid.kind == FloatKind::ieee) last_code_ = (exponents - 1) * mantissas - 1;
    if (last_code_ > kMostListed) return;
    for (int64_t code = 0; code <= last_code_ + 1; ++code) values_.push_back(value_of(code));
  }

  long double max() const { return value_of(last_code_); }
  // Where the values would go on above the largest.
  long double beyond_max() const { return value_of(last_code_ + 1); }
  bool lists_values() const { return !values_.empty(); }
  // All finite magnitudes, ascending; of small formats only.
  std::vector<long double> magnitudes() const { return {values_.begin(), values_.end() - 1}; }

  struct Neighbours {
    long double low;   // the largest value not above
    long double high;  // the next
    bool low_is_even;  // by its code
  };

  Neighbours neighbours(long double magnitude) const {
    if (magnitude >= max()) return {max(), beyond_max(), last_code_ % 2 == 0};
    int64_t code = lists_values()
                       ? std::upper_bound(values_.begin(), values_.end(), magnitude) - values_.begin() - 1
                       : code_below(magnitude);
    return {value_of(code), value_of(code + 1), code % 2 == 0};
  }

  // As round_to_grid, but for stochastic rounding.
  float round(long double value, Rounding rounding, Overflow overflow) const {
    if (std::isnan(value)) return std::numeric_limits<float>::quiet_NaN();
    long double magnitude = std::fabs(value);
    if (std::isinf(value)) return with_sign(overflowed(overflow), value);
    auto [low, high, low_is_even] = neighbours(magnitude);
    long double middle = low + (high - low) / 2;
    bool up = magnitude > middle || (magnitude == middle && (rounding == Rounding::rna || !low_is_even));
    if (rounding == Rounding::rtz || magnitude == low) up = false;
    long double result = up ? high : low;
    if (result > max()) return with_sign(overflowed(overflow), value);
    return with_sign(static_cast<float>(result), value);
  }

  // What a finite magnitude beyond the largest becomes, and Inf.
  float overflowed(Overflow overflow) const {
    if (overflow == Overflow::saturate || grid_.kind == FloatKind::finite) return static_cast<float>(max());
    return grid_.kind == FloatKind::ieee ? std::numeric_limits<float>::infinity()
                                         : std::numeric_limits<float>::quiet_NaN();
  }

  float with_sign(float magnitude, long double value) const {
    if (magnitude == 0 && grid_.kind == FloatKind::fnuz) return 0.0f;
    return std::signbit(value) ? -magnitude : magnitude;
  }

 private:
  static constexpr int64_t kMostListed = 1 << 12;

  long double value_of(int64_t code) const {
    const int64_t mantissas = int64_t{1} << grid_.mantissa_bits;
    const int64_t field = code / mantissas;
    const int64_t mantissa = code % mantissas;
    if (field == 0)
      return std::ldexp(static_cast<long double>(mantissa), 1 - grid_.bias - grid_.mantissa_bits);
    return std::ldexp(static_cast<long double>(mantissas + mantissa),
                      static_cast<int>(field) - grid_.bias - grid_.mantissa_bits);
  }

  // The code of the largest value not above, by bisection.
  int64_t code_below(long double magnitude) const {
    int64_t low = 0;
    int64_t high = last_code_;
    while (low < high) {
      int64_t middle = (low + high + 1) / 2;
      if (value_of(middle) <= magnitude) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  FloatGrid grid_;
  int64_t last_code_;
  std::vector<long double> values_;  // by code, with the one beyond the largest; empty for large formats
};

}  // namespace fakequant::formats_testing
