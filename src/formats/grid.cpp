#include "formats/grid.h"

#include <cmath>

namespace fakequant {

double FloatGrid::max_value() const {
  // fn gives its all-ones significand to NaN, so its largest value is one step lower.
  double top =
      kind == FloatKind::fn ? 2.0 - std::ldexp(2.0, -mantissa_bits) : 2.0 - std::ldexp(1.0, -mantissa_bits);
  return std::ldexp(top, max_exponent());
}

double FloatGrid::min_normal() const {
  return std::ldexp(1.0, min_exponent());
}

double FloatGrid::min_subnormal() const {
  return std::ldexp(1.0, min_subnormal_exponent());
}

}  // namespace fakequant
