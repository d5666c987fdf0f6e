#pragma once
// Counts and moments of values. Knows no tensors, storage types or files.

#include <cstdint>
#include <limits>
#include <span>

namespace fakequant {

// Moments and extremes leave out NaN and Inf. The derived numbers are NaN where they do not exist.
//
//   moments  central, about a running mean: the pairwise update of Chan et al. (1979) and Pebay (2008), so
//            that values with a mean 1e6 times their spread keep at least 6 digits
//   merge    counts and extremes do not depend on the order; moments do in their last digits: merge in a
//            fixed order
struct ValueStatistics {
  uint64_t count = 0;  // all values, NaN and Inf included
  uint64_t nan_count = 0;
  uint64_t inf_count = 0;
  uint64_t zero_count = 0;              // +0 and -0
  uint64_t subnormal_count = 0;         // in the storage type: F32 here, F16 or BF16 from CodeCounts
  uint64_t low16_zero_count = 0;        // low 16 bits of the F32 pattern are zero; NaN and Inf too
  uint64_t beyond_f16_count = 0;        // finite and |x| >= 65520: Inf when rounded to F16
  uint64_t below_f16_normal_count = 0;  // 0 < |x| < 2^-14
  double min_value = std::numeric_limits<double>::infinity();   // see min()
  double max_value = -std::numeric_limits<double>::infinity();  // see max()
  double mean_value = 0;                                        // see mean()
  double m2 = 0;                                                // sums of (x - mean)^2, ^3, ^4
  double m3 = 0;
  double m4 = 0;

  // The same values in the same calls give the same bits on every processor.
  void add(std::span<const float> values);
  void merge(const ValueStatistics& other);

  uint64_t finite_count() const { return count - nan_count - inf_count; }
  double min() const;  // never -0
  double max() const;
  double mean() const;
  double standard_deviation() const;  // of the population: sqrt(m2 / n); 0 exactly when min == max
  double kurtosis() const;  // n m4 / m2^2, the fourth standardized moment: 3 for a normal distribution; NaN
                            // when the standard deviation is 0
  double largest_outlier() const;  // max |x - mean| in standard deviations; NaN when that is 0
  double low16_zero_fraction() const;
  double below_f16_normal_fraction() const;
};

}  // namespace fakequant
