#include "evaluate/paired_times.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace fakequant {
namespace {

std::vector<double> one_to(size_t count) {
  std::vector<double> result(count);
  std::iota(result.begin(), result.end(), 1.0);
  return result;
}

TEST(EstimateMedian, IsTheMiddleOrTheMeanOfTwo) {
  EXPECT_EQ(estimate_median({5, 1, 3}).median, 3);
  EXPECT_EQ(estimate_median({4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(estimate_median({7}).median, 7);
}

TEST(EstimateMedian, HasNoIntervalBelowSixValues) {
  EXPECT_FALSE(estimate_median(one_to(5)).interval);  // the whole range would hold 1 - 2/32
  EXPECT_TRUE(estimate_median(one_to(6)).interval);
  EXPECT_EQ(kLeastRepetitions, 6U);
}

struct IntervalCase {
  size_t count;
  double rank;
  double coverage;
};

TEST(EstimateMedian, IntervalsByHand) {
  // Tails of the binomial distribution with trials of 1/2: 1 of 2^n, then n, then n (n - 1) / 2.
  const IntervalCase cases[] = {{6, 1, 1 - 2.0 / 64},
                                {7, 1, 1 - 2.0 / 128},
                                {8, 1, 1 - 2.0 / 256},
                                {9, 2, 1 - 2.0 * (1 + 9) / 512},
                                {10, 2, 1 - 2.0 * (1 + 10) / 1024},
                                {11, 2, 1 - 2.0 * (1 + 11) / 2048},
                                {12, 3, 1 - 2.0 * (1 + 12 + 66) / 4096}};
  for (const IntervalCase& wanted : cases) {
    MedianEstimate found = estimate_median(one_to(wanted.count));
    ASSERT_TRUE(found.interval) << wanted.count;
    EXPECT_EQ(found.interval->low, wanted.rank) << wanted.count;
    EXPECT_EQ(found.interval->high, static_cast<double>(wanted.count) + 1 - wanted.rank) << wanted.count;
    EXPECT_NEAR(found.interval->coverage, wanted.coverage, 1e-13) << wanted.count;
  }
}

TEST(EstimateMedian, CoverageStaysJustAboveItsBound) {
  for (size_t count = 6; count <= 3000; count += count < 300 ? 1 : 97) {
    MedianEstimate::Interval interval = *estimate_median(one_to(count)).interval;
    EXPECT_GE(interval.coverage, 0.95) << count;
    EXPECT_LE(interval.coverage, 0.9922) << count;  // 8 values have the widest: 1 - 2/256
    // About the normal approximation: (n - 1.96 sqrt(n)) / 2.
    auto n = static_cast<double>(count);
    EXPECT_NEAR(interval.low, (n - 1.96 * std::sqrt(n)) / 2, 1.5) << count;
  }
}

TEST(EstimateRatio, PairsByRepetition) {
  // A drift by a factor of 8 changes neither ratio.
  std::vector<double> first = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<double> second = first;
  for (double& seconds : second) seconds /= 2;
  MedianEstimate ratio = estimate_ratio(first, second);
  EXPECT_EQ(ratio.median, 2);
  EXPECT_EQ(ratio.interval->low, 2);
  EXPECT_EQ(ratio.interval->high, 2);
}

TEST(ShowsDifference, OnlyWhenOneIsOutside) {
  auto of = [](double low, double high) {
    return shows_difference({1, MedianEstimate::Interval{low, high, 0.97}});
  };
  EXPECT_FALSE(of(0.99, 1.01));
  EXPECT_FALSE(of(1, 1.01));
  EXPECT_FALSE(of(0.9, 1));
  EXPECT_TRUE(of(1.001, 1.01));
  EXPECT_TRUE(of(0.9, 0.999));
  EXPECT_FALSE(shows_difference({2, std::nullopt}));
}

TEST(MeasureInTurn, GoesForwardAndBackward) {
  std::vector<size_t> order;
  std::vector<std::vector<double>> found = measure_in_turn(3, 3, [&](size_t index) {
    order.push_back(index);
    return static_cast<double>(order.size());
  });
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 2, 1, 0, 0, 1, 2}));
  EXPECT_EQ(found, (std::vector<std::vector<double>>{{1, 6, 7}, {2, 5, 8}, {3, 4, 9}}));
}

}  // namespace
}  // namespace fakequant
