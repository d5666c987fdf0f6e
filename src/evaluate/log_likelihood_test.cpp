#include "evaluate/log_likelihood.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(NegativeLogLikelihood, OfEqualLogitsIsTheLogarithmOfTheirCount) {
  for (size_t count : {1U, 2U, 8U, 1000U}) {
    std::vector<float> logits(count, 3.5F);
    double found = negative_log_likelihood(logits, static_cast<int32_t>(count - 1));
    EXPECT_DOUBLE_EQ(found, std::log(static_cast<double>(count)));
  }
}

TEST(NegativeLogLikelihood, OfTwoLogitsByHand) {
  // Probabilities 1/4 and 3/4: logits 0 and ln 3. The logit is an F32, so is its exponential.
  std::vector<float> logits{0.0F, std::log(3.0F)};
  double float_step = std::numeric_limits<float>::epsilon();
  EXPECT_NEAR(negative_log_likelihood(logits, 0), std::log(4.0), 2 * float_step);
  EXPECT_NEAR(negative_log_likelihood(logits, 1), std::log(4.0 / 3.0), 2 * float_step);
}

TEST(NegativeLogLikelihood, DoesNotOverflow) {
  std::vector<float> logits{1e30F, 1e30F, -1e30F};
  EXPECT_DOUBLE_EQ(negative_log_likelihood(logits, 1), std::log(2.0));
  EXPECT_GT(negative_log_likelihood(logits, 2), 1e30);
}

TEST(NegativeLogLikelihood, IsNotFiniteForLogitsThatAreNone) {
  EXPECT_TRUE(std::isnan(negative_log_likelihood(std::vector<float>{1.0F, kNan}, 0)));
  EXPECT_TRUE(std::isnan(negative_log_likelihood(std::vector<float>{kNan, 1.0F}, 1)));
  EXPECT_TRUE(std::isnan(negative_log_likelihood(std::vector<float>{1.0F, kInf}, 1)));
  EXPECT_EQ(negative_log_likelihood(std::vector<float>{1.0F, -kInf}, 1), kInf);
}

TEST(NegativeLogLikelihood, IsThatOfALoopOverTheLibrarysExponentials) {
  // As llama-perplexity computes it: one logit after the other, std::exp of floats.
  std::mt19937 source(1);
  std::normal_distribution<float> values(0, 4);
  for (size_t count : {1U, 15U, 16U, 31U, 1000U, 32001U}) {
    std::vector<float> logits(count);
    for (float& logit : logits) logit = values(source);
    float largest = logits[0];
    for (float logit : logits) largest = logit > largest ? logit : largest;
    double sum = 0;
    for (float logit : logits) sum += std::exp(logit - largest);
    double wanted = -(static_cast<double>(logits[count / 2] - largest) - std::log(sum));
    double found = negative_log_likelihood(logits, static_cast<int32_t>(count / 2));
    EXPECT_NEAR(found, wanted, std::ldexp(1.0, -30)) << count;
    LogNormalizer normalizer = log_normalizer(logits);
    EXPECT_EQ(normalizer.largest, largest);
    EXPECT_EQ(negative_log_likelihood(logits[count / 2], normalizer), found);
  }
}

TEST(LargestOf, IsFoundInEveryPlaceAndPassesOverNan) {
  for (size_t count : {1U, 2U, 16U, 17U, 100U}) {
    for (size_t place = 0; place < count; ++place) {
      std::vector<float> values(count, -7.0F);
      values[place] = -2.0F;
      EXPECT_EQ(largest_of(values), -2.0F);
      if (count > 1) values[(place + 1) % count] = kNan;
      EXPECT_EQ(largest_of(values), -2.0F);
    }
  }
  EXPECT_EQ(largest_of({}), -kInf);
  EXPECT_EQ(largest_of(std::vector<float>{kNan}), -kInf);
}

TEST(LogNormalizer, IsNanWhereLogitsAreNoNumbers) {
  for (float bad : {kNan, kInf}) {
    for (size_t place : {0U, 1U, 2U}) {
      std::vector<float> logits(3, 1.0F);
      logits[place] = bad;
      EXPECT_TRUE(std::isnan(log_normalizer(logits).log_sum));
    }
  }
  EXPECT_TRUE(std::isnan(log_normalizer(std::vector<float>(3, -kInf)).log_sum));
}

}  // namespace
}  // namespace fakequant
