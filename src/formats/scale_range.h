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

// The largest finite magnitude of each of the consecutive runs of `block` values, one for each element of `amax`.
void block_amax(const float* values, size_t block, std::span<float> amax);

// The same, but Inf or NaN where a run holds one: for formats whose blocks these spoil.
void block_amax_or_special(const float* values, size_t block, std::span<float> amax);

// The smallest (at most 0) and the largest (at least 0) finite value of each run; both spans are equally long.
void block_bounds(const float* values, size_t block, std::span<float> min, std::span<float> max);

}  // namespace fakequant
