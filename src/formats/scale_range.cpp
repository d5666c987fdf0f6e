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

// What a run of values is folded to. Each has a start, a step per value, and a result.

template <bool finite_only>
struct Amax {
  uint32_t most = 0;

  FQ_INLINE void add(uint32_t bits) {
    uint32_t magnitude = bits & kMagnitude;
    if constexpr (finite_only) magnitude = choose(magnitude < kInfinity, magnitude, 0u);
    most = std::max(most, magnitude);
  }
};

struct Bounds {
  int32_t low = 0;
  int32_t high = 0;

  FQ_INLINE void add(uint32_t bits) {
    int32_t order = ordered(choose((bits & kMagnitude) < kInfinity, bits, 0u));
    low = std::min(low, order);
    high = std::max(high, order);
  }
};

template <class Fold>
FQ_INLINE Fold fold(const float* values, size_t count) {
  Fold result;
  for (size_t i = 0; i < count; ++i) result.add(bits_of(values[i]));
  return result;
}

// Calls store(b, folded run b). A constant block length lets the compiler unroll the loop over it.
template <class Fold, class Store>
FQ_INLINE void fold_blocks(const float* values, size_t block, size_t count, Store store) {
  if (block == 16) {
    for (size_t b = 0; b < count; ++b) store(b, fold<Fold>(values + b * 16, 16));
  } else if (block == 32) {
    for (size_t b = 0; b < count; ++b) store(b, fold<Fold>(values + b * 32, 32));
  } else if (block == 64) {
    for (size_t b = 0; b < count; ++b) store(b, fold<Fold>(values + b * 64, 64));
  } else {
    for (size_t b = 0; b < count; ++b) store(b, fold<Fold>(values + b * block, block));
  }
}

FQ_VECTORIZED void amax_of_blocks(const float* values, size_t block, float* amax, size_t count) {
  fold_blocks<Amax<true>>(values, block, count,
                          [&](size_t b, const Amax<true>& run) { amax[b] = float_of(run.most); });
}

FQ_VECTORIZED void any_amax_of_blocks(const float* values, size_t block, float* amax, size_t count) {
  fold_blocks<Amax<false>>(values, block, count,
                           [&](size_t b, const Amax<false>& run) { amax[b] = float_of(run.most); });
}

FQ_VECTORIZED void bounds_of_blocks(const float* values, size_t block, float* min, float* max, size_t count) {
  fold_blocks<Bounds>(values, block, count, [&](size_t b, const Bounds& run) {
    min[b] = from_ordered(run.low);
    max[b] = from_ordered(run.high);
  });
}

}  // namespace

void ScaleRange::merge(const ScaleRange& other) {
  amax = std::max(amax, other.amax);
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

ScaleRange scale_range(std::span<const float> values) {
  ScaleRange range;
  block_bounds(values.data(), values.size(), {&range.min, 1}, {&range.max, 1});
  range.amax = std::max(range.max, -range.min);
  return range;
}

void block_amax(const float* values, size_t block, std::span<float> amax) {
  amax_of_blocks(values, block, amax.data(), amax.size());
}

void block_amax_or_special(const float* values, size_t block, std::span<float> amax) {
  any_amax_of_blocks(values, block, amax.data(), amax.size());
}

void block_bounds(const float* values, size_t block, std::span<float> min, std::span<float> max) {
  bounds_of_blocks(values, block, min.data(), max.data(), min.size());
}

}  // namespace fakequant
