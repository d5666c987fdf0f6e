#include "analysis/histogram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/simd.h"

namespace fakequant {
namespace {

constexpr size_t kBlock = 1024;
constexpr uint32_t kMagnitude = 0x7fffffffu;
constexpr uint32_t kInfinity = 0x7f800000u;

// A step is the part of a bin's pattern that is its magnitude: 8 per power of two, kInfinityStep for Inf.
constexpr size_t kStepsPerOctave = 8;
constexpr size_t kInfinityStep = 255 * kStepsPerOctave;
constexpr size_t kNegative = 2048;  // the sign bit of a pattern
static_assert(Histogram::kBinCount == 2 * (kInfinityStep + 1));

// The smallest magnitude of a step. Where Inf would begin, 2^128: the end of the finite values.
double bound(size_t step) {
  return step == kInfinityStep ? 0x1p128
                               : static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(step) << 20));
}

// Writes the pattern of every value; returns the largest magnitude bits, to see NaN by.
FQ_VECTORIZED uint32_t patterns_of(const float* values, size_t count, uint16_t* patterns) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
    largest = std::max(largest, bits & kMagnitude);
    patterns[i] = static_cast<uint16_t>((bits == 0x80000000u ? 0u : bits) >> 20);
  }
  return largest;
}

FQ_VECTORIZED void subtract(const float* a, const float* b, size_t count, float* differences) {
  for (size_t i = 0; i < count; ++i) differences[i] = std::fabs(a[i] - b[i]);
}

}  // namespace

Histogram::Histogram() : tables_(kTableCount * kPatternCount) {}

void Histogram::add(std::span<const float> values) {
  std::array<uint16_t, kBlock> patterns;
  for (size_t start = 0; start < values.size(); start += kBlock) {
    const size_t count = std::min(kBlock, values.size() - start);
    const float* block = values.data() + start;
    const uint32_t largest = patterns_of(block, count, patterns.data());
    // Neighbours go to different tables: a repeated bin need not wait for its own counter.
    for (size_t i = 0; i < count; ++i) ++tables_[(i % kTableCount) * kPatternCount + patterns[i]];
    if (largest <= kInfinity) continue;
    for (size_t i = 0; i < count; ++i) {
      if (!std::isnan(block[i])) continue;
      ++nan_count_;
      --tables_[(i % kTableCount) * kPatternCount + patterns[i]];
    }
  }
}

void Histogram::add_abs_differences(std::span<const float> a, std::span<const float> b) {
  FQ_CHECK(a.size() == b.size());
  std::array<float, kBlock> differences;
  for (size_t start = 0; start < a.size(); start += kBlock) {
    const size_t count = std::min(kBlock, a.size() - start);
    subtract(a.data() + start, b.data() + start, count, differences.data());
    add(std::span(differences).first(count));
  }
}

void Histogram::merge(const Histogram& other) {
  for (size_t i = 0; i < tables_.size(); ++i) tables_[i] += other.tables_[i];
  nan_count_ += other.nan_count_;
}

uint64_t Histogram::count_at(size_t pattern) const {
  uint64_t count = 0;
  for (size_t table = 0; table < kTableCount; ++table) count += tables_[table * kPatternCount + pattern];
  return count;
}

uint64_t Histogram::total() const {
  return std::accumulate(tables_.begin(), tables_.end(), uint64_t{0});
}

HistogramBin Histogram::bin(size_t index) const {
  FQ_CHECK(index < kBinCount);
  const bool negative = index <= kInfinityStep;
  const size_t step = negative ? kInfinityStep - index : index - kInfinityStep - 1;
  const double infinity = std::numeric_limits<double>::infinity();
  const double near = step == kInfinityStep ? infinity : bound(step);
  const double far = step == kInfinityStep ? infinity : bound(step + 1);
  const uint64_t count = count_at(step + (negative ? kNegative : 0));
  return negative ? HistogramBin{-far, -near + 0.0, count} : HistogramBin{near, far, count};
}

std::vector<HistogramBin> Histogram::bins() const {
  size_t first = 0;
  while (first < kBinCount && bin(first).count == 0) ++first;
  if (first == kBinCount) return {};
  size_t last = kBinCount - 1;
  while (bin(last).count == 0) --last;
  std::vector<HistogramBin> result;
  for (size_t index = first; index <= last; ++index) result.push_back(bin(index));
  return result;
}

namespace {

// Counts of finite values by step, for each sign, and how far they reach.
struct Sides {
  std::array<std::array<uint64_t, kInfinityStep>, 2> counts = {};  // [0] positive, [1] negative
  std::array<size_t, 2> ends = {};                                 // behind the last step that is not empty

  uint64_t at(size_t step) const { return counts[0][step] + counts[1][step]; }
  size_t end() const { return std::max(ends[0], ends[1]); }
};

// The power of two (as a step) below which at most 1 % of the values lie, zeros and their neighbours not
// counted.
size_t small_end(const Sides& sides) {
  uint64_t all = 0;
  for (size_t step = 1; step < sides.end(); ++step) all += sides.at(step);
  if (all == 0) return 1;
  uint64_t below = 0;
  size_t end = 1;
  for (size_t step = 1; step < sides.end(); ++step) {
    if (step % kStepsPerOctave == 0) end = step;
    below += sides.at(step);
    if (below > all / 100) break;
  }
  return end;
}

size_t group_count(const Sides& sides, size_t side, size_t small, size_t width) {
  return sides.ends[side] <= small ? 0 : (sides.ends[side] - small + width - 1) / width;
}

uint64_t count_between(const Sides& sides, size_t side, size_t begin, size_t end) {
  const auto& counts = sides.counts[side];
  return std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(begin),
                         counts.begin() + static_cast<std::ptrdiff_t>(end), uint64_t{0});
}

std::vector<HistogramBin> groups_of(const Sides& sides, size_t side, size_t small, size_t width) {
  std::vector<HistogramBin> groups;
  for (size_t i = 0; i < group_count(sides, side, small, width); ++i) {
    const size_t begin = small + i * width;
    const size_t end = std::min(begin + width, kInfinityStep);
    groups.push_back({bound(begin), bound(end), count_between(sides, side, begin, end)});
  }
  return groups;
}

}  // namespace

std::vector<HistogramBin> Histogram::coarse_bins(size_t most) const {
  FQ_CHECK(most >= 5);
  Sides sides;
  for (size_t side = 0; side < 2; ++side) {
    for (size_t step = 0; step < kInfinityStep; ++step) {
      sides.counts[side][step] = count_at(step + side * kNegative);
      if (sides.counts[side][step] > 0) sides.ends[side] = step + 1;
    }
  }
  const size_t small = small_end(sides);
  const HistogramBin negative_infinity = bin(0);
  const HistogramBin positive_infinity = bin(kBinCount - 1);
  const uint64_t small_count = count_between(sides, 0, 0, small) + count_between(sides, 1, 0, small);
  const bool centre = small_count > 0 || (sides.ends[0] > 0 && sides.ends[1] > 0);
  const size_t fixed =
      (centre ? 1 : 0) + (negative_infinity.count > 0 ? 1 : 0) + (positive_infinity.count > 0 ? 1 : 0);
  size_t width = 1;
  while (fixed + group_count(sides, 0, small, width) + group_count(sides, 1, small, width) > most) width *= 2;

  std::vector<HistogramBin> result;
  if (negative_infinity.count > 0) result.push_back(negative_infinity);
  std::vector<HistogramBin> negative = groups_of(sides, 1, small, width);
  std::reverse(negative.begin(), negative.end());
  for (const HistogramBin& group : negative) result.push_back({-group.upper, -group.lower, group.count});
  if (centre) result.push_back({sides.ends[1] > 0 ? -bound(small) : 0.0, bound(small), small_count});
  for (const HistogramBin& group : groups_of(sides, 0, small, width)) result.push_back(group);
  if (positive_infinity.count > 0) result.push_back(positive_infinity);
  return result;
}

double kl_divergence_nats(const Histogram& p, const Histogram& q) {
  std::vector<std::pair<double, double>> pairs;
  double p_total = 0;
  double q_total = 0;
  for (size_t pattern = 0; pattern < Histogram::kPatternCount; ++pattern) {
    const auto p_count = static_cast<double>(p.count_at(pattern));
    const auto q_count = static_cast<double>(q.count_at(pattern));
    if (p_count + q_count == 0) continue;
    pairs.emplace_back(p_count + 0.5, q_count + 0.5);
    p_total += p_count + 0.5;
    q_total += q_count + 0.5;
  }
  double divergence = 0;
  for (const auto& [p_count, q_count] : pairs) {
    const double p_share = p_count / p_total;
    const double q_share = q_count / q_total;
    divergence += p_share * std::log(p_share / q_share);
  }
  return std::max(divergence, 0.0);  // rounding can leave a little less
}

double wasserstein1(std::vector<float> a, std::vector<float> b) {
  for (std::vector<float>* sample : {&a, &b}) {
    std::erase_if(*sample, [](float value) { return !std::isfinite(value); });
    std::sort(sample->begin(), sample->end());
    FQ_CHECK(sample->size() <= std::numeric_limits<uint32_t>::max());
  }
  if (a.empty() && b.empty()) return 0;
  if (a.empty() || b.empty()) return std::numeric_limits<double>::quiet_NaN();
  // Quantile functions are steps of 1/n and 1/m: both are walked at once, in whole units of 1 / lcm(n, m).
  const uint64_t common = std::gcd(a.size(), b.size());
  const uint64_t a_step = b.size() / common;
  const uint64_t b_step = a.size() / common;
  const uint64_t end = a_step * a.size();
  double sum = 0;
  for (uint64_t at = 0; at < end;) {
    const size_t i = at / a_step;
    const size_t j = at / b_step;
    const uint64_t next = std::min((i + 1) * a_step, (j + 1) * b_step);
    sum += static_cast<double>(next - at) * std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[j]));
    at = next;
  }
  return sum / static_cast<double>(end);
}

}  // namespace fakequant
