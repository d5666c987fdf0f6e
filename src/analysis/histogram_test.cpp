#include "analysis/histogram.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Histogram histogram_of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values);
  return histogram;
}

std::vector<float> normal_values(size_t count, float mean, float deviation, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

uint64_t total_of(const std::vector<HistogramBin>& bins) {
  uint64_t total = 0;
  for (const HistogramBin& bin : bins) total += bin.count;
  return total;
}

bool holds(const HistogramBin& bin, double value) {
  if (bin.lower == bin.upper) return value == bin.lower;
  if (bin.lower < 0 && bin.upper > 0) return bin.lower < value && value < bin.upper;
  return bin.lower < 0 ? bin.lower < value && value <= bin.upper : bin.lower <= value && value < bin.upper;
}

TEST(Histogram, BinsAreEightPerPowerOfTwo) {
  const std::vector<HistogramBin> one = histogram_of({1.0f}).bins();
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].lower, 1);
  EXPECT_EQ(one[0].upper, 1.125);
  EXPECT_EQ(one[0].count, 1u);
  const std::vector<HistogramBin> negative = histogram_of({-1.0f}).bins();
  EXPECT_EQ(negative[0].lower, -1.125);
  EXPECT_EQ(negative[0].upper, -1);
  EXPECT_EQ(histogram_of({1.0f, 1.9f}).bins().size(), 8u);  // the empty ones between too
}

TEST(Histogram, BinsTileTheLineInOrder) {
  const Histogram histogram;
  EXPECT_EQ(histogram.bin(0).lower, -INFINITY);
  EXPECT_EQ(histogram.bin(0).upper, -INFINITY);
  EXPECT_EQ(histogram.bin(1).lower, -0x1p128);
  for (size_t i = 2; i + 1 < Histogram::kBinCount; ++i) {
    ASSERT_EQ(histogram.bin(i).lower, histogram.bin(i - 1).upper) << i;
    ASSERT_LT(histogram.bin(i).lower, histogram.bin(i).upper) << i;
  }
  EXPECT_EQ(histogram.bin(Histogram::kBinCount - 2).upper, 0x1p128);
  EXPECT_EQ(histogram.bin(Histogram::kBinCount - 1).lower, INFINITY);
}

TEST(Histogram, EveryValueFallsIntoABinThatHoldsIt) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (i == 0) value = std::numeric_limits<float>::max();
    if (i == 1) value = -0x1p-149f;
    if (i == 2) value = -0x1p-126f;
    if (std::isnan(value)) continue;
    const std::vector<HistogramBin> bins = histogram_of({value}).bins();
    ASSERT_EQ(bins.size(), 1u);
    EXPECT_TRUE(holds(bins[0], static_cast<double>(value))) << value;
  }
}

TEST(Histogram, ZerosOfBothSignsAreOneBinAndNanIsLeftOut) {
  const Histogram histogram =
      histogram_of({0.0f, -0.0f, kNan, -kNan, std::bit_cast<float>(0x7f800001u), kInf});
  EXPECT_EQ(histogram.total(), 3u);
  EXPECT_EQ(histogram.nan_count(), 3u);
  const std::vector<HistogramBin> bins = histogram.bins();
  EXPECT_EQ(bins.front().lower, 0);
  EXPECT_EQ(bins.front().count, 2u);
  EXPECT_EQ(bins.back().lower, INFINITY);
  EXPECT_EQ(bins.back().count, 1u);
}

TEST(Histogram, NoValuesNoBins) {
  EXPECT_TRUE(histogram_of({kNan}).bins().empty());
  EXPECT_TRUE(Histogram().coarse_bins(10).empty());
}

TEST(Histogram, MergingIsOnePassInAnyOrder) {
  const std::vector<float> values = normal_values(10007, 0, 1, 2);
  Histogram forward, backward;
  for (size_t i = 0; i < 10; ++i) {
    const auto part = [&](size_t k) {
      Histogram h;
      h.add(std::span(values).subspan(k * 1000, k == 9 ? 1007 : 1000));
      return h;
    };
    forward.merge(part(i));
    backward.merge(part(9 - i));
  }
  const Histogram whole = histogram_of(values);
  for (size_t i = 0; i < Histogram::kBinCount; ++i) {
    ASSERT_EQ(forward.bin(i).count, whole.bin(i).count);
    ASSERT_EQ(backward.bin(i).count, whole.bin(i).count);
  }
  EXPECT_EQ(whole.total(), 10007u);
}

TEST(Histogram, AbsoluteDifferences) {
  Histogram histogram;
  histogram.add_abs_differences(std::vector<float>{1, 2, 5, kInf}, std::vector<float>{1, 4, 3, kInf});
  EXPECT_EQ(histogram.total(), 3u);  // Inf - Inf is NaN
  EXPECT_EQ(histogram.nan_count(), 1u);
  EXPECT_EQ(histogram.bins().front().count, 1u);  // 0
  EXPECT_EQ(histogram.bins().back().lower, 2);
  EXPECT_EQ(histogram.bins().back().count, 2u);
}

void expect_coarse(const std::vector<float>& values, size_t most) {
  const std::vector<HistogramBin> bins = histogram_of(values).coarse_bins(most);
  ASSERT_LE(bins.size(), most);
  std::vector<uint64_t> counts(bins.size());
  for (const float value : values) {
    for (size_t i = 0; i < bins.size(); ++i) counts[i] += holds(bins[i], static_cast<double>(value)) ? 1 : 0;
  }
  for (size_t i = 0; i < bins.size(); ++i)
    EXPECT_EQ(bins[i].count, counts[i]) << bins[i].lower << " " << bins[i].upper;
  EXPECT_EQ(total_of(bins), values.size());
  for (size_t i = 1; i < bins.size(); ++i) EXPECT_LE(bins[i - 1].upper, bins[i].lower);
}

TEST(Histogram, CoarseBinsHoldTheSameValuesInOrder) {
  for (const size_t most : {5u, 6u, 9u, 16u, 24u, 100u, 5000u}) {
    expect_coarse(normal_values(5000, 0, 0.02f, 3), most);
    expect_coarse(normal_values(5000, 1, 0.1f, 4), most);
    expect_coarse(normal_values(5000, -1, 0.1f, 4), most);
    expect_coarse({1.0f, std::numeric_limits<float>::max()}, most);
    expect_coarse({-1e-20f, 1e-30f, -std::numeric_limits<float>::max()}, most);
    expect_coarse({0.0f, -0.0f}, most);
    expect_coarse({0.0f, 1.0f}, most);
    expect_coarse({-3.0f, 2.0f}, most);
    expect_coarse({0x1p-149f, -0x1p-149f, -0x1p-126f}, most);
    expect_coarse({kInf, -kInf, 0.0f, std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()},
                  most);
  }
}

TEST(Histogram, CoarseBinsJoinTheSmallValues) {
  std::vector<float> values(1000, 1.0f);
  for (size_t i = 0; i < 10; ++i) values[i] = 1e-20f;  // 1 %
  const std::vector<HistogramBin> bins = histogram_of(values).coarse_bins(8);
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_EQ(bins[0].lower, 0);
  EXPECT_EQ(bins[0].upper, 1);
  EXPECT_EQ(bins[0].count, 10u);
  EXPECT_EQ(bins[1].count, 990u);
  values[10] = 1e-20f;  // more than 1 %
  EXPECT_LT(histogram_of(values).coarse_bins(8)[0].upper, 1);
}

TEST(KlDivergence, HandComputed) {
  // Two bins: p = (3, 1), q = (1, 3); with 1/2 more (3.5, 1.5) / 5 and (1.5, 3.5) / 5.
  const Histogram p = histogram_of({1, 1, 1, 2});
  const Histogram q = histogram_of({1, 2, 2, 2});
  EXPECT_DOUBLE_EQ(kl_divergence_nats(p, q), 0.7 * std::log(0.7 / 0.3) + 0.3 * std::log(0.3 / 0.7));
}

TEST(KlDivergence, IsFiniteForDisjointHistograms) {
  // p = (2, 0), q = (0, 1): (2.5, 0.5) / 3 and (0.5, 1.5) / 2.
  const double wanted = 2.5 / 3 * std::log(2.5 / 3 / 0.25) + 0.5 / 3 * std::log(0.5 / 3 / 0.75);
  EXPECT_DOUBLE_EQ(kl_divergence_nats(histogram_of({1, 1}), histogram_of({-8})), wanted);
  EXPECT_TRUE(std::isfinite(kl_divergence_nats(histogram_of({1, 1}), Histogram())));
}

TEST(KlDivergence, EqualHistogramsAreZeroApart) {
  const Histogram p = histogram_of(normal_values(10000, 0, 1, 5));
  EXPECT_EQ(kl_divergence_nats(p, p), 0);
  EXPECT_EQ(kl_divergence_nats(Histogram(), Histogram()), 0);
}

TEST(KlDivergence, IsNeverNegative) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::vector<float> values = normal_values(1000, 0, 1, seed);
    const Histogram p = histogram_of(values);
    values[0] = 0.5f;
    EXPECT_GE(kl_divergence_nats(p, histogram_of(values)), 0);
  }
}

TEST(Wasserstein1, HandComputed) {
  EXPECT_EQ(wasserstein1({1, 2, 3}, {3, 1, 2}), 0);
  EXPECT_EQ(wasserstein1({0, 1, 3}, {5, 6, 8}), 5);
  EXPECT_EQ(wasserstein1({4, 0}, {1, 1}), 2);  // |0 - 1| and |4 - 1|, halved
  EXPECT_DOUBLE_EQ(wasserstein1({0, 0, 3}, {1, 2, 3}), 1);
}

TEST(Wasserstein1, UnequalLengths) {
  EXPECT_EQ(wasserstein1({1, 1, 1}, {1}), 0);
  EXPECT_EQ(wasserstein1({0, 2}, {1}), 1);
  // Thirds against halves: sixths 0 0 1 1 2 2 against 0 0 0 2 2 2.
  EXPECT_DOUBLE_EQ(wasserstein1({0, 1, 2}, {0, 2}), 2.0 / 6);
}

TEST(Wasserstein1, LeavesOutWhatIsNotFinite) {
  EXPECT_EQ(wasserstein1({kNan, 1, kInf}, {2, -kInf}), 1);
  EXPECT_TRUE(std::isnan(wasserstein1({kNan}, {1})));
  EXPECT_EQ(wasserstein1({}, {kNan}), 0);
}

}  // namespace
}  // namespace fakequant
