#include "evaluate/token_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kStep = std::numeric_limits<double>::epsilon();
// Of the exponential: a series of 13 terms, each rounded, and the two roundings of its argument.
constexpr double kExponentialError = 16 * kStep;

using Row = std::vector<float>;

TokenComparison compare(const Row& baseline, const Row& logits, int32_t label = 0) {
  return compare_token({baseline, log_normalizer(baseline)}, logits, label);
}

TEST(CompareToken, TwoTokensByHand) {
  // Logits a and 0 against 0 and a: probabilities s = 1 / (1 + exp(-a)) and 1 - s change places.
  for (float a : {0.001F, 0.5F, 1.0986123F, 7.0F}) {
    double logit = a;
    double s = 1 / (1 + std::exp(-logit));
    TokenComparison found = compare({a, 0}, {0, a}, 1);
    EXPECT_NEAR(found.kld, logit * std::tanh(logit / 2), kExponentialError * logit) << a;
    EXPECT_NEAR(found.confidence, s, kExponentialError) << a;
    EXPECT_NEAR(found.margin, 2 * s - 1, kExponentialError) << a;
    double entropy = -s * std::log(s) - (1 - s) * std::log(1 - s);
    EXPECT_NEAR(found.entropy_baseline, entropy, 2 * kExponentialError) << a;
    EXPECT_NEAR(found.entropy, entropy, 2 * kExponentialError) << a;
    // Nats are F32's.
    double float_step = std::numeric_limits<float>::epsilon();
    EXPECT_NEAR(found.nats, -std::log(s), float_step) << a;
    EXPECT_NEAR(found.nats_baseline, -std::log(1 - s), float_step * (1 + a)) << a;
    EXPECT_NEAR(found.p_diff, 2 * s - 1, 2 * float_step * (1 + a)) << a;
    EXPECT_FALSE(found.same_top);
  }
}

TEST(CompareToken, EqualLogitsAreUniform) {
  for (size_t count : {1U, 2U, 3U, 16U, 1000U}) {
    Row logits(count, -3.25F);
    auto tokens = static_cast<double>(count);
    TokenComparison found = compare(logits, logits);
    EXPECT_EQ(found.kld, 0) << count;
    EXPECT_EQ(found.p_diff, 0) << count;
    EXPECT_EQ(found.confidence, 1 / tokens) << count;
    EXPECT_EQ(found.margin, count == 1 ? 1 : 0) << count;
    EXPECT_EQ(found.entropy, std::log(tokens)) << count;
    EXPECT_EQ(found.entropy_baseline, std::log(tokens)) << count;
    EXPECT_TRUE(found.same_top) << count;
  }
}

TEST(CompareToken, AgainstUniformTheDivergenceIsWhatEntropyLacks) {
  // One token has everything: b (ln b - ln p) is ln n, and the other way round what is below exp(-700) is not there.
  Row uniform(5, 1.0F);
  Row certain{-1e4F, 0, -1e4F, -1e4F, -1e4F};
  TokenComparison found = compare(certain, uniform, 1);
  EXPECT_NEAR(found.kld, std::log(5.0), kExponentialError);
  EXPECT_EQ(found.entropy_baseline, 0);
  EXPECT_EQ(found.confidence, 1);
  EXPECT_EQ(found.margin, 1);
  EXPECT_FALSE(found.same_top);
  found = compare(uniform, certain, 1);
  EXPECT_NEAR(found.kld, 0.2 * 4 * 1e4 - std::log(5.0), 1e4 * kExponentialError);
  EXPECT_EQ(found.entropy, 0);
}

TEST(CompareToken, ProbabilitiesCountDownToExpOfMinus700) {
  // Beside a token that has all but nothing, entropy is p ln p of the other one.
  TokenComparison found = compare({0, -699.5F}, {0, -700.5F});
  EXPECT_NEAR(found.entropy_baseline, 699.5 * std::exp(-699.5), 699.5 * std::exp(-699.5) * 1e-12);
  EXPECT_EQ(found.entropy, 0);
}

TEST(CompareToken, WhatIsImpossibleForTheBaselineAddsNothing) {
  TokenComparison plain = compare({1, 2, 3}, {3, 2, 1});
  TokenComparison both = compare({-kInf, 1, 2, -kInf, 3}, {-kInf, 3, 2, -kInf, 1}, 1);
  EXPECT_TRUE(both.is_finite());
  EXPECT_NEAR(both.kld, plain.kld, kExponentialError);
  EXPECT_NEAR(both.entropy, plain.entropy, kExponentialError);
  EXPECT_NEAR(both.entropy_baseline, plain.entropy_baseline, kExponentialError);
  // Where only the baseline has it: b = (1, 0) and p = (1/2, 1/2).
  EXPECT_NEAR(compare({0, -kInf}, {0, 0}).kld, std::log(2.0), kExponentialError);
}

TEST(CompareToken, WhatOnlyTheModelFindsImpossibleIsInfinite) {
  TokenComparison found = compare({0, 1, 2}, {0, -kInf, 2}, 2);
  EXPECT_EQ(found.kld, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isfinite(found.nats));
  EXPECT_FALSE(found.is_finite());
  EXPECT_FALSE(compare({0, 1, 2}, {0, -kInf, 2}, 1).is_finite());
}

TEST(CompareToken, NanAndInfAreSeenInEveryPlace) {
  for (size_t place : {0U, 1U, 15U, 16U, 100U, 255U, 256U, 299U}) {
    for (float bad : {kNan, -kNan, kInf}) {
      Row good(300, 0.5F);
      Row spoilt = good;
      spoilt[place] = bad;
      EXPECT_FALSE(compare(good, spoilt, 7).is_finite()) << place << " " << bad;
      EXPECT_FALSE(compare(spoilt, good, 7).is_finite()) << place << " " << bad;
      EXPECT_TRUE(std::isnan(compare(good, spoilt, 7).kld)) << place << " " << bad;
      EXPECT_TRUE(std::isnan(compare(spoilt, good, 7).kld)) << place << " " << bad;
    }
  }
  for (float bad : {kNan, kInf, -kInf}) {
    EXPECT_FALSE(compare(Row(20, bad), Row(20, 1.0F)).is_finite());
    EXPECT_FALSE(compare(Row(20, 1.0F), Row(20, bad)).is_finite());
  }
}

TEST(CompareToken, TheFirstOfSeveralTopTokensCounts) {
  EXPECT_TRUE(compare({1, 5, 5}, {0, 2, 1}).same_top);
  EXPECT_FALSE(compare({1, 5, 5}, {0, 1, 2}).same_top);
  EXPECT_FALSE(compare({1, 5, 5}, {2, 2, 1}).same_top);
  EXPECT_EQ(compare({1, 5, 5}, {0, 1, 2}).margin, 0);
  // Beyond the first block that is looked through.
  Row a(1000, 0.0F);
  Row b(1000, 0.0F);
  a[700] = a[900] = b[700] = 3;
  EXPECT_TRUE(compare(a, b).same_top);
  b[900] = 4;
  EXPECT_FALSE(compare(a, b).same_top);
}

// --- Against long double ---------------------------------------------------------------------------------------------

std::vector<long double> log_softmax(const Row& logits) {
  long double largest = *std::max_element(logits.begin(), logits.end());
  long double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<long double>(logit) - largest);
  std::vector<long double> result;
  for (float logit : logits) result.push_back(static_cast<long double>(logit) - largest - std::log(sum));
  return result;
}

struct Reference {
  long double kld = 0;
  long double entropy = 0;
  long double entropy_baseline = 0;
  long double confidence = 0;
  long double margin = 0;
};

Reference reference_of(const Row& baseline, const Row& logits) {
  std::vector<long double> b = log_softmax(baseline);
  std::vector<long double> p = log_softmax(logits);
  Reference result;
  for (size_t i = 0; i < b.size(); ++i) {
    if (std::isfinite(b[i])) result.kld += std::exp(b[i]) * (b[i] - p[i]);
    if (std::isfinite(b[i])) result.entropy_baseline -= std::exp(b[i]) * b[i];
    if (std::isfinite(p[i])) result.entropy -= std::exp(p[i]) * p[i];
  }
  std::sort(b.rbegin(), b.rend());
  result.confidence = std::exp(b[0]);
  result.margin = b.size() > 1 ? std::exp(b[0]) - std::exp(b[1]) : 1;
  return result;
}

Row random_row(size_t count, float range, std::mt19937& source) {
  std::uniform_real_distribution<float> values(-range, range);
  Row row(count);
  for (float& value : row) value = values(source);
  return row;
}

TEST(CompareToken, AgreesWithLongDouble) {
  std::mt19937 source(1);
  for (size_t count : {1U, 2U, 15U, 16U, 17U, 255U, 256U, 257U, 4099U, 70001U}) {
    for (float range : {0.01F, 1.0F, 20.0F, 1e4F}) {
      Row baseline = random_row(count, range, source);
      Row logits = random_row(count, range, source);
      if (count > 2) baseline[1] = -kInf;
      if (count > 17) baseline[16] = logits[16] = -kInf;
      TokenComparison found = compare(baseline, logits);
      Reference wanted = reference_of(baseline, logits);
      // Sums of logarithms: their size times the error of a probability.
      double error = 2 * kExponentialError * (1 + range);
      EXPECT_NEAR(found.kld, wanted.kld, error) << count << " " << range;
      EXPECT_NEAR(found.entropy, wanted.entropy, error) << count << " " << range;
      EXPECT_NEAR(found.entropy_baseline, wanted.entropy_baseline, error) << count << " " << range;
      EXPECT_NEAR(found.confidence, wanted.confidence, kExponentialError) << count << " " << range;
      EXPECT_NEAR(found.margin, wanted.margin, kExponentialError) << count << " " << range;
    }
  }
}

TEST(CompareToken, IdenticalLogitsGiveExactlyZero) {
  std::mt19937 source(2);
  for (size_t count : {1U, 3U, 250U, 32000U}) {
    for (float range : {1.0F, 30.0F, 1e4F}) {
      Row logits = random_row(count, range, source);
      TokenComparison found = compare(logits, logits);
      EXPECT_EQ(found.kld, 0);
      EXPECT_EQ(found.p_diff, 0);
      EXPECT_EQ(found.entropy, found.entropy_baseline);
      EXPECT_TRUE(found.same_top);
    }
  }
}

TEST(CompareToken, TinyDivergencesAreRight) {
  // Logits that differ in the last bits of F32: klds of 1e-15 to 1e-11, far below the error of F32's sums.
  std::mt19937 source(3);
  for (float noise : {1e-6F, 1e-5F}) {
    Row baseline = random_row(32000, 5, source);
    Row logits = baseline;
    for (float& logit : logits) logit += std::uniform_real_distribution<float>(-noise, noise)(source);
    double wanted = static_cast<double>(reference_of(baseline, logits).kld);
    EXPECT_GT(wanted, 0);
    EXPECT_NEAR(compare(baseline, logits).kld, wanted, 4 * kStep);
  }
}

TEST(CompareToken, IsNeverNegative) {
  std::mt19937 source(4);
  for (int i = 0; i < 200; ++i) {
    // Logits that differ in their last bit: klds of about 1e-20 and sums with errors of 1e-16.
    Row baseline = random_row(100, 0.01F, source);
    Row logits = baseline;
    for (float& logit : logits) logit = std::nextafter(logit, logit > 0 ? kInf : -kInf);
    EXPECT_GE(compare(baseline, logits).kld, 0);
  }
}

TEST(CompareToken, NatsHaveTheBitsOfPerplexity) {
  std::mt19937 source(5);
  for (int i = 0; i < 50; ++i) {
    Row baseline = random_row(777, 12, source);
    Row logits = random_row(777, 12, source);
    TokenComparison found = compare(baseline, logits, i);
    EXPECT_EQ(found.nats, negative_log_likelihood(logits, i));
    EXPECT_EQ(found.nats_baseline, negative_log_likelihood(baseline, i));
    EXPECT_EQ(found.p_diff, std::exp(-found.nats) - std::exp(-found.nats_baseline));
  }
}

// --- Log-probabilities from a file -------------------------------------------------------------------------------------

TEST(CompareToken, TakesStoredLogProbabilitiesAsTheyAre) {
  // They sum to 3/4, which stays so: half at ln 1/2, a quarter at ln 1/4.
  Row stored{std::log(0.5F), std::log(0.25F)};
  double a = stored[0];
  double b = stored[1];
  Row logits{0, 0};
  TokenComparison found = compare_token({stored, LogNormalizer{}, -16}, logits, 1);
  EXPECT_NEAR(found.kld, std::exp(a) * (a + std::log(2.0)) + std::exp(b) * (b + std::log(2.0)),
              kExponentialError);
  EXPECT_LT(found.kld, 0);  // a quarter of the mass is missing
  EXPECT_EQ(found.nats_baseline, -b);
  EXPECT_NEAR(found.confidence, std::exp(a), kExponentialError);
  EXPECT_NEAR(found.margin, std::exp(a) - std::exp(b), kExponentialError);
  EXPECT_NEAR(found.entropy_baseline, -std::exp(a) * a - std::exp(b) * b, kExponentialError);
}

TEST(CompareToken, WhatIsNotAboveTheFloorCarriesNoWeight) {
  Row logits{0, 0, -30};
  TokenComparison short_row = compare_token({Row{-0.75F, -0.75F, -40}, LogNormalizer{}, -16}, logits, 2);
  EXPECT_EQ(short_row.nats_baseline, 40);
  for (float below : {-16.0F, -16.5F, -1e30F}) {
    TokenComparison found = compare_token({Row{-0.75F, -0.75F, below}, LogNormalizer{}, -16}, logits, 0);
    EXPECT_EQ(found.kld, short_row.kld) << below;
    EXPECT_EQ(found.entropy_baseline, short_row.entropy_baseline) << below;
  }
  TokenComparison above = compare_token({Row{-0.75F, -0.75F, -15.75F}, LogNormalizer{}, -16}, logits, 0);
  EXPECT_NEAR(above.kld - short_row.kld, std::exp(-15.75) * (-15.75 + 30 + std::log(2.0)), kExponentialError);
}

}  // namespace
}  // namespace fakequant
