#pragma once
// The extremes of values that share a scale.

#include <span>

namespace fakequant {

// What a scale is computed from: the extremes of the finite values that share it. Merging is exact in any
// order.
struct ScaleRange {
  float amax = 0;  // largest magnitude
  float min = 0;   // smallest value, at most 0
  float max = 0;   // largest value, at least 0

  void merge(const ScaleRange& other);
};

ScaleRange scale_range(std::span<const float> values);

// Which extremes a scale needs; the fewer, the faster they are found.
enum class RangeNeeds {
  magnitude,      // amax alone
  all,            // amax, min and max
  any_magnitude,  // amax alone, and Inf or NaN where a value is: formats whose blocks these spoil
};

// The ranges of consecutive runs of `block` values, one for each element of `ranges`.
void scale_ranges(const float* values, size_t block, RangeNeeds needs, std::span<ScaleRange> ranges);

}  // namespace fakequant
