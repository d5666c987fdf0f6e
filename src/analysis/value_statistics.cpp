#include "analysis/value_statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include "base/lanes.h"

namespace fakequant {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kBlock = 4096;  // 16 KiB: the second pass finds it in the first-level cache
constexpr uint32_t kInfinity = 0x7f800000u;
constexpr uint32_t kBeyondF16 = 0x477ff000u;     // 65520, halfway between F16's largest value and 2^16
constexpr uint32_t kF16MinNormal = 0x38800000u;  // 2^-14

struct BlockCounts {
  uint32_t nan, inf, zero, subnormal, low16_zero, large, small;
};

FQ_VECTORIZED void count_block(const float* values, size_t count, BlockCounts& counts) {
  uint32_t nan = 0, inf = 0, zero = 0, subnormal = 0, low16_zero = 0, large = 0, small = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t magnitude = bits & 0x7fffffffu;
    nan += static_cast<uint32_t>(magnitude > kInfinity);
    inf += static_cast<uint32_t>(magnitude == kInfinity);
    zero += static_cast<uint32_t>(magnitude == 0);
    subnormal += static_cast<uint32_t>(magnitude < 0x00800000u);  // and zeros
    low16_zero += static_cast<uint32_t>((bits & 0xffffu) == 0);
    large += static_cast<uint32_t>(magnitude >= kBeyondF16);    // and NaN, Inf
    small += static_cast<uint32_t>(magnitude < kF16MinNormal);  // and zeros
  }
  counts = {nan, inf, zero, subnormal - zero, low16_zero, large - nan - inf, small - zero};
}

// Maps F32 patterns to integers in the order of their values, and back.
FQ_INLINE int32_t ordered(uint32_t bits) {
  const auto pattern = static_cast<int32_t>(bits);
  return pattern ^ ((pattern >> 31) & 0x7fffffff);
}
double value_of_ordered(int32_t key) {
  return static_cast<double>(std::bit_cast<float>(key ^ ((key >> 31) & 0x7fffffff)));
}

// Finite values only, at least one. Integers, since minima of floats do not vectorize beside sums.
FQ_VECTORIZED void extremes_of_block(const float* values, size_t count, int32_t& least, int32_t& most) {
  int32_t low = std::numeric_limits<int32_t>::max(), high = std::numeric_limits<int32_t>::min();
  for (size_t i = 0; i < count; ++i) {
    const int32_t key = ordered(std::bit_cast<uint32_t>(values[i]));
    low = std::min(low, key);
    high = std::max(high, key);
  }
  least = low;
  most = high;
}

struct BlockMoments {
  double mean, m2, m3, m4;
};

// Exact for equal values: at most 4096 of them, of 24 bits, sum without rounding. What is left of a block
// behind its last whole 16 values is summed beside the lanes: lanes that are indexed by a variable would have
// to stay in memory.
FQ_VECTORIZED double mean_of_block(const float* values, size_t count) {
  double sum[kLanes] = {};
  const size_t whole = count - count % kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sum[lane] += static_cast<double>(values[i + lane]);
  }
  double total = sum_of_lanes(sum);
  for (size_t i = whole; i < count; ++i) total += static_cast<double>(values[i]);
  return total / static_cast<double>(count);
}

FQ_VECTORIZED void central_moments(const float* values, size_t count, double mean, BlockMoments& moments) {
  double s1[kLanes] = {}, s2[kLanes] = {}, s3[kLanes] = {}, s4[kLanes] = {};
  const size_t whole = count - count % kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double d = static_cast<double>(values[i + lane]) - mean;
      const double square = d * d;
      s1[lane] += d;
      s2[lane] += square;
      s3[lane] += square * d;
      s4[lane] += square * square;
    }
  }
  double rest = sum_of_lanes(s1);
  moments.m2 = sum_of_lanes(s2);
  moments.m3 = sum_of_lanes(s3);
  moments.m4 = sum_of_lanes(s4);
  for (size_t i = whole; i < count; ++i) {
    const double d = static_cast<double>(values[i]) - mean;
    const double square = d * d;
    rest += d;
    moments.m2 += square;
    moments.m3 += square * d;
    moments.m4 += square * square;
  }
  moments.mean = mean + rest / static_cast<double>(count);  // what rounding left in the mean
}

size_t copy_finite(const float* values, size_t count, float* finite) {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) finite[kept++] = values[i];
  }
  return kept;
}

}  // namespace

void ValueStatistics::add(std::span<const float> values) {
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const float* data = values.data() + start;
    const size_t block = std::min(kBlock, values.size() - start);
    BlockCounts counts;
    count_block(data, block, counts);
    ValueStatistics part;
    part.count = block;
    part.nan_count = counts.nan;
    part.inf_count = counts.inf;
    part.zero_count = counts.zero;
    part.subnormal_count = counts.subnormal;
    part.low16_zero_count = counts.low16_zero;
    part.beyond_f16_count = counts.large;
    part.below_f16_normal_count = counts.small;
    float finite[kBlock];
    if (part.finite_count() < block) {
      copy_finite(data, block, finite);
      data = finite;
    }
    if (part.finite_count() > 0) {
      BlockMoments moments;
      int32_t least, most;
      extremes_of_block(data, part.finite_count(), least, most);
      central_moments(data, part.finite_count(), mean_of_block(data, part.finite_count()), moments);
      part.min_value = value_of_ordered(least);
      part.max_value = value_of_ordered(most);
      part.mean_value = moments.mean;
      part.m2 = moments.m2;
      part.m3 = moments.m3;
      part.m4 = moments.m4;
    }
    merge(part);
  }
}

void ValueStatistics::merge(const ValueStatistics& other) {
  const auto na = static_cast<double>(finite_count());
  const auto nb = static_cast<double>(other.finite_count());
  count += other.count;
  nan_count += other.nan_count;
  inf_count += other.inf_count;
  zero_count += other.zero_count;
  subnormal_count += other.subnormal_count;
  low16_zero_count += other.low16_zero_count;
  beyond_f16_count += other.beyond_f16_count;
  below_f16_normal_count += other.below_f16_normal_count;
  min_value = std::min(min_value, other.min_value);
  max_value = std::max(max_value, other.max_value);
  if (nb == 0) return;
  const double n = na + nb;
  const double fa = na / n;
  const double fb = nb / n;
  const double delta = other.mean_value - mean_value;
  const double delta2 = delta * delta;
  // Pebay 2008; the highest moment first, since each needs the lower ones as they were.
  m4 += other.m4 + delta2 * delta2 * na * fb * (fa * fa - fa * fb + fb * fb) +
        6 * delta2 * (fa * fa * other.m2 + fb * fb * m2) + 4 * delta * (fa * other.m3 - fb * m3);
  m3 += other.m3 + delta2 * delta * na * fb * (fa - fb) + 3 * delta * (fa * other.m2 - fb * m2);
  m2 += other.m2 + delta2 * na * fb;
  mean_value = na == 0 ? other.mean_value : mean_value + delta * fb;
}

// Adding +0 turns -0 into +0 and changes nothing else.
double ValueStatistics::min() const {
  return finite_count() == 0 ? kNothing : min_value + 0.0;
}
double ValueStatistics::max() const {
  return finite_count() == 0 ? kNothing : max_value + 0.0;
}
double ValueStatistics::mean() const {
  return finite_count() == 0 ? kNothing : mean_value;
}

double ValueStatistics::standard_deviation() const {
  return finite_count() == 0 ? kNothing : std::sqrt(m2 / static_cast<double>(finite_count()));
}

double ValueStatistics::kurtosis() const {
  // No F32 values, however many, drive the sums or this square out of the range of double.
  return m2 > 0 ? static_cast<double>(finite_count()) * m4 / (m2 * m2) : kNothing;
}

double ValueStatistics::largest_outlier() const {
  return m2 > 0 ? std::max(max_value - mean_value, mean_value - min_value) / standard_deviation() : kNothing;
}

double ValueStatistics::low16_zero_fraction() const {
  return count == 0 ? kNothing : static_cast<double>(low16_zero_count) / static_cast<double>(count);
}

double ValueStatistics::below_f16_normal_fraction() const {
  return count == 0 ? kNothing : static_cast<double>(below_f16_normal_count) / static_cast<double>(count);
}

}  // namespace fakequant
