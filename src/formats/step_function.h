#pragma once
// A function of 15 steps between 16 values, over arrays: how quotients find their levels.

#include <array>
#include <cstddef>

namespace fakequant {

struct StepFunction {
  std::array<float, 15> thresholds;  // ascending
  std::array<float, 16> values;

  // Sets y[i] to values[k] where k is the number of thresholds that lie below x[i]; where x[i] is NaN, so is y[i].
  // The arrays do not overlap.
  void apply(const float* x, float* y, size_t count) const;

  // The same, and next[i] to values[k + 1], or to the last value after which there is none; and per_gap[i] to
  // 1 / (next - y), or 0 where there is none. Where x[i] is NaN, so are they.
  void apply(const float* x, float* y, float* next, float* per_gap, size_t count) const;
};

}  // namespace fakequant
