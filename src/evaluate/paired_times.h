#pragma once
// Times of the same work done by several, measured in turn, and what can be said of them without knowing how such
// times are distributed. Knows no models.

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace fakequant {

// Fewer repetitions have no 95 % interval.
inline constexpr size_t kLeastRepetitions = 6;

// The median of a sample, and an interval for the median of what it was drawn from: from its `rank`-th smallest to
// its `rank`-th largest value. It holds the true median with probability `coverage`, whatever the distribution, for
// independent values: coverage = 1 - 2 P(X < rank), X binomial with `count` trials of 1/2. `rank` is the largest
// with a coverage of at least 0.95: 1 for 6 to 8 values (0.96875 for 6), 2 for 9 to 11, 3 for 12.
struct MedianEstimate {
  double median = 0;
  struct Interval {
    double low;
    double high;
    double coverage;
  };
  std::optional<Interval> interval;  // none below kLeastRepetitions values
};

// `values` is not empty.
MedianEstimate estimate_median(std::vector<double> values);

// How much faster the second is than the first: of seconds measured in pairs, each first / second.
MedianEstimate estimate_ratio(std::span<const double> first, std::span<const double> second);

// "no difference" can be said when 1 lies within the interval. Without an interval nothing can be said.
bool shows_difference(const MedianEstimate& ratio);

// Calls `timed` for each of 0 .. count - 1, `repetitions` times over: forward, backward, forward and so on, so that a
// drift of the machine meets all alike. Returns what it gave: [index][repetition].
std::vector<std::vector<double>> measure_in_turn(size_t count, size_t repetitions,
                                                 const std::function<double(size_t index)>& timed);

}  // namespace fakequant
