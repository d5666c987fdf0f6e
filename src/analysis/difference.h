#pragma once
// How far restored values are from the original ones. Knows no formats, tensors or files.

#include <cstdint>
#include <span>

namespace fakequant {

inline constexpr double kDefaultEpsilon = 1e-12;

// Differences between an original and a restored sequence of values, as sums that merge.
//
// A pair of which either value is NaN or Inf is counted (nonfinite_count) and left out of every maximum and
// sum. Without any finite pair the difference is none: means 0, snr_db +infinity, cosine 1.
struct Difference {
  uint64_t count = 0;            // pairs
  uint64_t changed_count = 0;    // bits differ, so -0 against +0 is a change; NaN against NaN is none
  uint64_t nonfinite_count = 0;  // pairs left out
  uint64_t new_nonfinite = 0;    // finite before, NaN or Inf after
  uint64_t nonfinite_changes =
      0;  // pairs left out that differ (NaN against NaN does not): no measure tells how far

  double max_abs = 0;
  uint64_t max_abs_index = 0;  // first value with that difference; means nothing while max_abs is 0
  double max_rel = 0;
  uint64_t max_rel_index = 0;

  double sum_abs = 0;
  double sum_rel = 0;
  double sum_squared_error = 0;
  double sum_original_squared = 0;
  double sum_restored_squared = 0;
  double sum_product = 0;

  // Adds a part that lies behind this one. Merge parts in index order: of equal maxima the first index stays,
  // and the same parts give sums of the same bits for any number of threads. (Other parts, other last digits:
  // cut a sequence alike always.)
  void merge(const Difference& behind);

  // Nothing differs but -0 and +0.
  bool only_signs_of_zeros() const { return changed_count > 0 && max_abs == 0 && nonfinite_changes == 0; }
  uint64_t finite_count() const { return count - nonfinite_count; }
  double mean_abs() const;
  double mean_rel() const;
  double rmse() const;
  double snr_db()
      const;  // 10 log10(sum o^2 / sum (o - q)^2); +infinity without error, -infinity for errors of zeros
  double cosine() const;  // in [-1, 1]; exactly 1 without error; 0 when just one of the two is all zeros
};

// Measures `restored` against `original`, in double: o - q is exact unless the two differ by more than 2^29
// in magnitude.
//
//   original, restored  equally long (checked)
//   epsilon      relative error is |o - q| / (|o| + epsilon); positive and finite (checked)
//   first_index  index of the first pair, for max_abs_index and max_rel_index
//
// The same bits on every processor. Pieces of a sequence may be measured in parallel and merged.
Difference measure_difference(std::span<const float> original, std::span<const float> restored,
                              double epsilon = kDefaultEpsilon, uint64_t first_index = 0);

}  // namespace fakequant
