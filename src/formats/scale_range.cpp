#include "formats/scale_range.h"

#include <algorithm>

#include "formats/kernel.h"

namespace fakequant {

namespace {

using namespace kernel;

// A float pattern as an integer that orders as the values do.
FQ_INLINE int32_t ordered(uint32_t bits) {
  auto pattern = static_cast<int32_t>(bits);
  return pattern ^ ((pattern >> 31) & static_cast<int32_t>(kMagnitude));
}

FQ_INLINE float from_ordered(int32_t order) {
  return float_of(static_cast<uint32_t>(order ^ ((order >> 31) & static_cast<int32_t>(kMagnitude))));
}

template <bool finite_only>
FQ_INLINE float amax_of(const float* values, size_t count) {
  uint32_t amax = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t magnitude = bits_of(values[i]) & kMagnitude;
    if constexpr (finite_only) magnitude = choose(magnitude < kInfinity, magnitude, 0);
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

// A constant block length lets the compiler unroll the loop over it.
FQ_INLINE void scan(const float* values, size_t block, RangeNeeds needs, std::span<ScaleRange> ranges) {
  for (size_t b = 0; b < ranges.size(); ++b) {
    const float* start = values + b * block;
    if (needs == RangeNeeds::magnitude) ranges[b].amax = amax_of<true>(start, block);
    if (needs == RangeNeeds::any_magnitude) ranges[b].amax = amax_of<false>(start, block);
    if (needs == RangeNeeds::all) ranges[b] = range_of(start, block);
  }
}

FQ_VECTORIZED void scan_blocks(const float* values, size_t block, RangeNeeds needs, std::span<ScaleRange> ranges) {
  switch (block) {
    case 16:
      scan(values, 16, needs, ranges);
      break;
    case 32:
      scan(values, 32, needs, ranges);
      break;
    case 64:
      scan(values, 64, needs, ranges);
      break;
    default:
      scan(values, block, needs, ranges);
  }
}

}  // namespace

void ScaleRange::merge(const ScaleRange& other) {
  amax = std::max(amax, other.amax);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ScaleRange scale_range(std::span<const float> values) {
  ScaleRange range;
  scan_blocks(values.data(), values.size(), RangeNeeds::all, {&range, 1});
  return range;
}

void scale_ranges(const float* values, size_t block, RangeNeeds needs, std::span<ScaleRange> ranges) {
  scan_blocks(values, block, needs, ranges);
}

}  // namespace fakequant
