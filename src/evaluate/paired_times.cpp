#include "evaluate/paired_times.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace fakequant {

namespace {

constexpr double kCoverage = 0.95;

// P(X = k), X binomial with n trials of 1/2; in logarithms, as 2^-n is no double for large n.
double half_binomial(size_t n, size_t k) {
  auto log_factorial = [](size_t x) { return std::lgamma(static_cast<double>(x) + 1); };
  double log_ways = log_factorial(n) - log_factorial(k) - log_factorial(n - k);
  return std::exp(log_ways - static_cast<double>(n) * std::log(2.0));
}

}  // namespace

MedianEstimate estimate_median(std::vector<double> values) {
  FQ_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  size_t count = values.size();
  MedianEstimate result;
  result.median = count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
  double outside = 0;  // 2 P(X < rank)
  for (size_t rank = 1; rank <= count / 2; ++rank) {
    outside += 2 * half_binomial(count, rank - 1);
    if (1 - outside < kCoverage) break;
    result.interval = {values[rank - 1], values[count - rank], 1 - outside};
  }
  return result;
}

MedianEstimate estimate_ratio(std::span<const double> first, std::span<const double> second) {
  FQ_CHECK(first.size() == second.size());
  std::vector<double> ratios(first.size());
  for (size_t i = 0; i < ratios.size(); ++i) ratios[i] = first[i] / second[i];
  return estimate_median(std::move(ratios));
}

bool shows_difference(const MedianEstimate& ratio) {
  return ratio.interval && (ratio.interval->low > 1 || ratio.interval->high < 1);
}

std::vector<std::vector<double>> measure_in_turn(size_t count, size_t repetitions,
                                                 const std::function<double(size_t index)>& timed) {
  std::vector<std::vector<double>> result(count);
  for (size_t repetition = 0; repetition < repetitions; ++repetition) {
    for (size_t i = 0; i < count; ++i) {
      size_t index = repetition % 2 == 0 ? i : count - 1 - i;
      result[index].push_back(timed(index));
    }
  }
  return result;
}

}  // namespace fakequant
