#include "analysis/difference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/lanes.h"

namespace fakequant {
namespace {

constexpr size_t kBlock = 1024;
constexpr uint32_t kMagnitude = 0x7fffffffu;
constexpr uint32_t kInfinity = 0x7f800000u;

struct BlockBits {
  uint32_t changed;  // patterns that differ
  bool finite;
};

FQ_VECTORIZED void compare_bits(const float* original, const float* restored, size_t count,
                                BlockBits& result) {
  uint32_t changed = 0, largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t o = std::bit_cast<uint32_t>(original[i]);
    const uint32_t q = std::bit_cast<uint32_t>(restored[i]);
    changed += o != q ? 1u : 0u;
    largest = std::max(largest, std::max(o & kMagnitude, q & kMagnitude));
  }
  result = {changed, largest < kInfinity};
}

struct BlockSums {
  double abs, rel, squared_error, original_squared, restored_squared, product, max_abs, max_rel;
};

// Also used to find again where a maximum was, so both must round alike.
FQ_INLINE double absolute_error(float original, float restored) {
  return std::fabs(static_cast<double>(original) - static_cast<double>(restored));
}
FQ_INLINE double relative_error(float original, float restored, double epsilon) {
  return absolute_error(original, restored) / (std::fabs(static_cast<double>(original)) + epsilon);
}

// `count` is a multiple of kLanes.
FQ_VECTORIZED void sum_block(const float* original, const float* restored, size_t count, double epsilon,
                             BlockSums& sums) {
  double abs[kLanes] = {}, rel[kLanes] = {}, squared[kLanes] = {}, original_squared[kLanes] = {};
  double restored_squared[kLanes] = {}, product[kLanes] = {}, max_abs[kLanes] = {}, max_rel[kLanes] = {};
  for (size_t i = 0; i < count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double o = original[i + lane];
      const double q = restored[i + lane];
      const double error = absolute_error(original[i + lane], restored[i + lane]);
      const double relative = relative_error(original[i + lane], restored[i + lane], epsilon);
      abs[lane] += error;
      rel[lane] += relative;
      squared[lane] += error * error;
      original_squared[lane] += o * o;
      restored_squared[lane] += q * q;
      product[lane] += o * q;
      max_abs[lane] = max_abs[lane] < error ? error : max_abs[lane];
      max_rel[lane] = max_rel[lane] < relative ? relative : max_rel[lane];
    }
  }
  sums = {sum_of_lanes(abs),
          sum_of_lanes(rel),
          sum_of_lanes(squared),
          sum_of_lanes(original_squared),
          sum_of_lanes(restored_squared),
          sum_of_lanes(product),
          max_of_lanes(max_abs),
          max_of_lanes(max_rel)};
}

// What sum_block gives for two identical blocks, bit for bit: the same squares in the same lanes.
FQ_VECTORIZED void sum_squares(const float* values, size_t count, BlockSums& sums) {
  double squared[kLanes] = {};
  for (size_t i = 0; i < count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      squared[lane] += value * value;
    }
  }
  const double sum = sum_of_lanes(squared);
  sums = {0, 0, 0, sum, sum, sum, 0, 0};
}

// A block made fit for sum_block: pairs of which one is not finite, and those missing at the end, become (0,
// 0), which add nothing to any sum.
struct PaddedBlock {
  float original[kBlock] = {};
  float restored[kBlock] = {};
};

void count_nonfinite(const float* original, const float* restored, size_t count, Difference& result) {
  for (size_t i = 0; i < count; ++i) {
    const bool before = std::isfinite(original[i]);
    const bool after = std::isfinite(restored[i]);
    if (before && after) continue;
    ++result.nonfinite_count;
    if (before) ++result.new_nonfinite;
    if (std::bit_cast<uint32_t>(original[i]) == std::bit_cast<uint32_t>(restored[i])) continue;
    if (std::isnan(original[i]) && std::isnan(restored[i])) {
      --result.changed_count;  // compare_bits counted another payload as a change
    } else {
      ++result.nonfinite_changes;
    }
  }
}

void copy_finite_pairs(const float* original, const float* restored, size_t count, PaddedBlock& block) {
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(original[i]) || !std::isfinite(restored[i])) continue;
    block.original[i] = original[i];
    block.restored[i] = restored[i];
  }
}

// Adds a block of whole lanes of finite pairs that starts at `index`.
void add_block(const float* original, const float* restored, size_t count, double epsilon, bool changed,
               uint64_t index, Difference& result) {
  BlockSums sums;
  if (changed) {
    sum_block(original, restored, count, epsilon, sums);
  } else {
    sum_squares(original, count, sums);
  }
  result.sum_abs += sums.abs;
  result.sum_rel += sums.rel;
  result.sum_squared_error += sums.squared_error;
  result.sum_original_squared += sums.original_squared;
  result.sum_restored_squared += sums.restored_squared;
  result.sum_product += sums.product;
  if (sums.max_abs > result.max_abs) {
    size_t i = 0;
    while (absolute_error(original[i], restored[i]) != sums.max_abs) ++i;
    result.max_abs = sums.max_abs;
    result.max_abs_index = index + i;
  }
  if (sums.max_rel > result.max_rel) {
    size_t i = 0;
    while (relative_error(original[i], restored[i], epsilon) != sums.max_rel) ++i;
    result.max_rel = sums.max_rel;
    result.max_rel_index = index + i;
  }
}

double mean_of(double sum, uint64_t count) {
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

}  // namespace

void Difference::merge(const Difference& behind) {
  count += behind.count;
  changed_count += behind.changed_count;
  nonfinite_count += behind.nonfinite_count;
  new_nonfinite += behind.new_nonfinite;
  nonfinite_changes += behind.nonfinite_changes;
  if (behind.max_abs > max_abs) {
    max_abs = behind.max_abs;
    max_abs_index = behind.max_abs_index;
  }
  if (behind.max_rel > max_rel) {
    max_rel = behind.max_rel;
    max_rel_index = behind.max_rel_index;
  }
  sum_abs += behind.sum_abs;
  sum_rel += behind.sum_rel;
  sum_squared_error += behind.sum_squared_error;
  sum_original_squared += behind.sum_original_squared;
  sum_restored_squared += behind.sum_restored_squared;
  sum_product += behind.sum_product;
}

double Difference::mean_abs() const {
  return mean_of(sum_abs, finite_count());
}
double Difference::mean_rel() const {
  return mean_of(sum_rel, finite_count());
}
double Difference::rmse() const {
  return std::sqrt(mean_of(sum_squared_error, finite_count()));
}

double Difference::snr_db() const {
  if (sum_squared_error == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(sum_original_squared / sum_squared_error);
}

double Difference::cosine() const {
  if (sum_squared_error == 0) return 1;
  if (sum_original_squared == 0 || sum_restored_squared == 0) return 0;
  return std::clamp(sum_product / std::sqrt(sum_original_squared * sum_restored_squared), -1.0, 1.0);
}

Difference measure_difference(std::span<const float> original, std::span<const float> restored,
                              double epsilon, uint64_t first_index) {
  FQ_CHECK(original.size() == restored.size());
  FQ_CHECK(epsilon > 0 && std::isfinite(epsilon));
  Difference result;
  result.count = original.size();
  for (size_t start = 0; start < original.size(); start += kBlock) {
    const size_t count = std::min(kBlock, original.size() - start);
    const float* o = original.data() + start;
    const float* q = restored.data() + start;
    BlockBits bits;
    compare_bits(o, q, count, bits);
    result.changed_count += bits.changed;
    if (!bits.finite) count_nonfinite(o, q, count, result);
    if (bits.finite && count % kLanes == 0) {
      add_block(o, q, count, epsilon, bits.changed > 0, first_index + start, result);
    } else {
      PaddedBlock block;
      copy_finite_pairs(o, q, count, block);
      add_block(block.original, block.restored, (count + kLanes - 1) / kLanes * kLanes, epsilon,
                bits.changed > 0, first_index + start, result);
    }
  }
  return result;
}

}  // namespace fakequant
