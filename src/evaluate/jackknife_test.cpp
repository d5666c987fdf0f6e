#include "evaluate/jackknife.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace fakequant {
namespace {

constexpr double kStep = std::numeric_limits<double>::epsilon();

TEST(JackknifeError, OfAMeanIsItsStandardErrorOverChunks) {
  // The classical s / sqrt(n): chunk means 1..9, variance 60 / 8, so sqrt(7.5 / 9); three tokens in each chunk.
  std::vector<double> sums;
  for (int i = 1; i <= 9; ++i) sums.push_back(3.0 * i);
  ASSERT_TRUE(jackknife_error_of_mean(sums, 3).has_value());
  EXPECT_NEAR(*jackknife_error_of_mean(sums, 3), std::sqrt(7.5 / 9), 16 * kStep);
}

TEST(JackknifeError, ByHand) {
  // Seven estimates of 0 and one of 8: mean 1, squares 7 + 49 = 56, times 7 / 8.
  std::vector<double> without(8, 0.0);
  without[2] = 8;
  EXPECT_DOUBLE_EQ(*jackknife_error(without), 7.0);
}

TEST(JackknifeError, NeedsEightChunks) {
  EXPECT_EQ(kLeastJackknifeChunks, 8U);
  std::vector<double> values(7, 1.0);
  EXPECT_FALSE(jackknife_error(values).has_value());
  EXPECT_FALSE(jackknife_error_of_mean(values, 1).has_value());
  values.push_back(1.0);
  EXPECT_EQ(jackknife_error(values), 0);
  EXPECT_EQ(jackknife_error_of_mean(values, 1), 0);
}

}  // namespace
}  // namespace fakequant
