#pragma once
// Histograms over bins that are fixed for all of F32, so that no pass for the range is needed, and the
// distances between distributions. Knows no tensors and draws nothing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fakequant {

// Counts of the values between two bounds. By magnitude a bin is [lower, upper): a bin of negative values is
// (lower, upper] on the number line, and zero lies in the bin that begins with it. A bin across zero holds
// lower < x < upper. Infinities have a bin of their own with lower == upper.
struct HistogramBin {
  double lower = 0;
  double upper = 0;
  uint64_t count = 0;
};

// Exact counts over 8 bins per power of two and sign (the top 12 bits of the F32 pattern); below 2^-126 the 8
// bins are evenly spaced. -0 counts as +0, NaN is left out. Merging is exact in any order. 128 KiB each.
class Histogram {
 public:
  static constexpr size_t kBinCount = 4082;  // 255 x 8 finite ones and Inf, for each sign

  Histogram();

  void add(std::span<const float> values);
  // Adds |a - b| of every pair, rounded to float; equally long (checked).
  void add_abs_differences(std::span<const float> a, std::span<const float> b);
  void merge(const Histogram& other);

  uint64_t total() const;  // values counted, NaN not among them
  uint64_t nan_count() const { return nan_count_; }

  // From the most negative to the most positive; bin `index` in [0, kBinCount).
  HistogramBin bin(size_t index) const;

  // The bins from the first to the last that is not empty; nothing when there are no values.
  std::vector<HistogramBin> bins() const;

  // The same values in at most `most` bins (at least 5), for display: bins of equal width in log2 |x|,
  // several fine ones joined; the small values (at most 1 % of those that are not in the two bins next to
  // zero) join the zeros in one bin.
  std::vector<HistogramBin> coarse_bins(size_t most) const;

 private:
  friend double kl_divergence_nats(const Histogram& p, const Histogram& q);
  static constexpr size_t kTableCount = 4;
  static constexpr size_t kPatternCount = 4096;

  uint64_t count_at(size_t pattern) const;  // pattern: top 12 bits of the value

  std::vector<uint64_t> tables_;
  uint64_t nan_count_ = 0;
};

// Kullback-Leibler divergence of the histograms, sum p ln(p / q), in nats. Every bin that is not empty in
// either gets 1/2 more in both (Krichevsky-Trofimov), so the result is finite; >= 0; 0 for equal histograms
// and for two empty ones.
double kl_divergence_nats(const Histogram& p, const Histogram& q);

// Wasserstein-1 distance of two samples: the area between their distribution functions, for equally long
// samples the mean absolute difference of the sorted values. Exact up to double rounding for any lengths up
// to 2^32 - 1 (checked). Values that are not finite are left out; NaN when just one sample is empty then, 0
// when both are.
double wasserstein1(std::vector<float> a, std::vector<float> b);

}  // namespace fakequant
