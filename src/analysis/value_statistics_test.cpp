#include "analysis/value_statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

ValueStatistics statistics_of(const std::vector<float>& values) {
  ValueStatistics statistics;
  statistics.add(values);
  return statistics;
}

struct Moments {
  long double mean = 0, m2 = 0, m3 = 0, m4 = 0;
};

Moments reference_of(const std::vector<float>& values) {
  Moments r;
  for (const float value : values) r.mean += value;
  r.mean /= static_cast<long double>(values.size());
  for (const float value : values) {
    const long double d = value - r.mean;
    r.m2 += d * d;
    r.m3 += d * d * d;
    r.m4 += d * d * d * d;
  }
  return r;
}

std::vector<float> normal_values(size_t count, double mean, double deviation, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

void expect_near_relative(double found, long double wanted, double tolerance) {
  EXPECT_NEAR(found, static_cast<double>(wanted), std::fabs(static_cast<double>(wanted)) * tolerance);
}

TEST(ValueStatistics, HandComputedMoments) {
  const ValueStatistics s = statistics_of({1, 2, 3, 4});
  EXPECT_EQ(s.min(), 1);
  EXPECT_EQ(s.max(), 4);
  EXPECT_EQ(s.mean(), 2.5);
  EXPECT_EQ(s.m2, 5);
  EXPECT_EQ(s.m3, 0);
  EXPECT_EQ(s.m4, 10.25);  // 2 x 1.5^4 + 2 x 0.5^4
  EXPECT_EQ(s.standard_deviation(), std::sqrt(1.25));
  EXPECT_DOUBLE_EQ(s.kurtosis(), 1.64);  // 4 x 10.25 / 25
  EXPECT_DOUBLE_EQ(s.largest_outlier(), 1.5 / std::sqrt(1.25));
}

TEST(ValueStatistics, OutlierOnEitherSide) {
  EXPECT_DOUBLE_EQ(statistics_of({0, 0, 0, 4}).largest_outlier(), 3 / std::sqrt(3.0));
  EXPECT_DOUBLE_EQ(statistics_of({0, 0, 0, -4}).largest_outlier(), 3 / std::sqrt(3.0));
}

TEST(ValueStatistics, CountsEveryKindAtItsBorders) {
  const float subnormal = 0x1p-149f;
  const std::vector<float> values = {0.0f,
                                     -0.0f,
                                     subnormal,
                                     std::bit_cast<float>(0x807fffffu),
                                     0x1p-126f,                          // normal
                                     std::bit_cast<float>(0x387fffffu),  // just below 2^-14
                                     -0x1p-14f,                          // F16's smallest normal
                                     std::bit_cast<float>(0x477fefffu),  // just below 65520
                                     65520.0f,
                                     -1e30f,
                                     kInf,
                                     -kInf,
                                     kNan};
  const ValueStatistics s = statistics_of(values);
  EXPECT_EQ(s.count, 13u);
  EXPECT_EQ(s.zero_count, 2u);
  EXPECT_EQ(s.subnormal_count, 2u);
  EXPECT_EQ(s.below_f16_normal_count, 4u);
  EXPECT_EQ(s.beyond_f16_count, 2u);
  EXPECT_EQ(s.inf_count, 2u);
  EXPECT_EQ(s.nan_count, 1u);
  EXPECT_EQ(s.low16_zero_count, 7u);  // +0 -0 2^-126 -2^-14 Inf -Inf NaN
  EXPECT_EQ(s.finite_count(), 10u);
  EXPECT_EQ(s.low16_zero_fraction(), 7.0 / 13);
  EXPECT_EQ(s.below_f16_normal_fraction(), 4.0 / 13);
  EXPECT_EQ(s.min(), -static_cast<double>(1e30f));
  EXPECT_EQ(s.max(), 65520);
}

TEST(ValueStatistics, NanAndInfAreLeftOutOfMoments) {
  std::vector<float> values = normal_values(10000, 1, 2, 5);
  const ValueStatistics clean = statistics_of(values);
  for (size_t i = 0; i < 30; ++i)
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(i * 300), i % 2 ? kNan : -kInf);
  const ValueStatistics s = statistics_of(values);
  EXPECT_EQ(s.nan_count + s.inf_count, 30u);
  EXPECT_EQ(s.min(), clean.min());
  EXPECT_EQ(s.max(), clean.max());
  expect_near_relative(s.mean(), clean.mean(), 1e-14);
  expect_near_relative(s.standard_deviation(), clean.standard_deviation(), 1e-14);
  expect_near_relative(s.kurtosis(), clean.kurtosis(), 1e-13);
}

TEST(ValueStatistics, WhatDoesNotExistIsNan) {
  for (const ValueStatistics& s : {ValueStatistics(), statistics_of({kNan, kInf, -kInf})}) {
    EXPECT_TRUE(std::isnan(s.min()) && std::isnan(s.max()) && std::isnan(s.mean()));
    EXPECT_TRUE(std::isnan(s.standard_deviation()) && std::isnan(s.kurtosis()) &&
                std::isnan(s.largest_outlier()));
  }
  EXPECT_TRUE(std::isnan(ValueStatistics().low16_zero_fraction()));
}

TEST(ValueStatistics, EqualValuesHaveNoDeviation) {
  for (const size_t count : {1u, 7u, 4096u, 10007u}) {
    const ValueStatistics s = statistics_of(std::vector<float>(count, 0.1f));
    EXPECT_EQ(s.mean(), static_cast<double>(0.1f));
    EXPECT_EQ(s.standard_deviation(), 0);
    EXPECT_TRUE(std::isnan(s.kurtosis()) && std::isnan(s.largest_outlier()));
  }
}

TEST(ValueStatistics, ExtremesAreNeverNegativeZero) {
  const ValueStatistics s = statistics_of({-0.0f, -0.0f});
  EXPECT_FALSE(std::signbit(s.min()));
  EXPECT_FALSE(std::signbit(s.max()));
}

TEST(ValueStatistics, FindsExtremesAtEveryPlace) {
  for (size_t at = 0; at < 70; ++at) {
    std::vector<float> values(70, 1.0f);
    values[at] = -3.0f;
    EXPECT_EQ(statistics_of(values).min(), -3);
    values[at] = 5.0f;
    EXPECT_EQ(statistics_of(values).max(), 5);
    EXPECT_EQ(statistics_of(values).min(), 1);
  }
}

TEST(ValueStatistics, MeanAMillionTimesTheSpreadKeepsSixDigits) {
  const std::vector<float> values = normal_values(1000000, 1e4, 1e-2, 6);
  const Moments r = reference_of(values);
  ValueStatistics s;
  for (size_t start = 0; start < values.size(); start += 10000) {  // many merges
    ValueStatistics part;
    part.add(std::span(values).subspan(start, 10000));
    s.merge(part);
  }
  const long double n = 1e6L;
  expect_near_relative(s.mean(), r.mean, 1e-14);
  expect_near_relative(s.standard_deviation(), std::sqrt(r.m2 / n), 1e-6);
  expect_near_relative(s.kurtosis(), n * r.m4 / (r.m2 * r.m2), 1e-6);
  EXPECT_NEAR(s.kurtosis(), 3, 0.05);
}

TEST(ValueStatistics, SkewedValuesMatchTheReference) {
  std::vector<float> values = normal_values(100003, 0, 1, 7);
  for (float& value : values) value = std::exp(value);
  std::sort(values.begin(), values.end());  // so that blocks differ in mean, spread and skew
  const Moments r = reference_of(values);
  const ValueStatistics s = statistics_of(values);
  expect_near_relative(s.mean(), r.mean, 1e-12);
  expect_near_relative(s.m2, r.m2, 1e-12);
  expect_near_relative(s.m3, r.m3, 1e-12);
  expect_near_relative(s.m4, r.m4, 1e-12);
}

TEST(ValueStatistics, HandlesTheWholeRangeOfF32) {
  const float largest = std::numeric_limits<float>::max();
  const ValueStatistics s = statistics_of({-largest, largest});
  EXPECT_EQ(s.standard_deviation(), static_cast<double>(largest));
  EXPECT_DOUBLE_EQ(s.kurtosis(), 1);
  const ValueStatistics tiny = statistics_of({-0x1p-149f, 0x1p-149f});
  EXPECT_EQ(tiny.standard_deviation(), 0x1p-149);
  EXPECT_DOUBLE_EQ(tiny.kurtosis(), 1);
}

TEST(ValueStatistics, MergingWithNothingChangesNothing) {
  const ValueStatistics s = statistics_of(normal_values(1000, 3, 1, 8));
  ValueStatistics left, right = s;
  left.merge(s);
  right.merge(ValueStatistics());
  for (const ValueStatistics& merged : {left, right}) {
    EXPECT_EQ(merged.mean(), s.mean());
    EXPECT_EQ(merged.m2, s.m2);
    EXPECT_EQ(merged.m3, s.m3);
    EXPECT_EQ(merged.m4, s.m4);
    EXPECT_EQ(merged.min(), s.min());
  }
}

// Integers made by arithmetic alone: the bits below are the same wherever and with whatever SIMD level this
// runs; the sanitizer build runs the baseline copy.
TEST(ValueStatistics, SameBitsOnEveryProcessor) {
  std::vector<float> values(10007);
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state) >> 8) * 0x1p-25f;
  }
  const ValueStatistics s = statistics_of(values);
  EXPECT_EQ(s.mean(), 0x1.2aa4694bbfaep-13);
  EXPECT_EQ(s.m2, 0x1.9ce29ddabf06ap+7);
  EXPECT_EQ(s.m3, -0x1.26daadc8c1c87p-5);
  EXPECT_EQ(s.m4, 0x1.e97ead6d8c1f9p+2);
}

}  // namespace
}  // namespace fakequant
