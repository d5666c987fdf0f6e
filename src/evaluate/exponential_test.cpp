#include "evaluate/exponential.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fakequant {
namespace {

TEST(ExpDown, IsTheExponentialToFifteenDigits) {
  for (double x = 0; x > -700; x -= 0.0137) {
    double wanted = std::exp(x);
    EXPECT_NEAR(exp_down(x), wanted, 1e-15 * wanted) << x;
  }
}

TEST(ExpDown, IsZeroFarDownAndNanForNan) {
  EXPECT_EQ(exp_down(-700.1), 0);
  EXPECT_EQ(exp_down(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_TRUE(std::isnan(exp_down(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(exp_down(0), 1);
}

}  // namespace
}  // namespace fakequant
