#include "evaluate/divergence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace fakequant {
namespace {

using Chunk = std::vector<TokenComparison>;

constexpr double kStep = std::numeric_limits<double>::epsilon();

TokenComparison with_nats(double nats, double nats_baseline) {
  TokenComparison token;
  token.nats = nats;
  token.nats_baseline = nats_baseline;
  return token;
}

TokenComparison with_kld(double kld) {
  TokenComparison token;
  token.kld = kld;
  return token;
}

TokenComparison with_p_diff(double p_diff) {
  TokenComparison token;
  token.p_diff = p_diff;
  return token;
}

DivergenceSum sum_of(const std::vector<Chunk>& chunks) {
  DivergenceSum sum;
  for (const Chunk& chunk : chunks) sum.add_chunk(chunk);
  return sum;
}

DivergenceEstimate estimate_of(const std::vector<Chunk>& chunks) {
  return sum_of(chunks).estimate();
}

Chunk random_chunk(size_t count, std::mt19937& source) {
  std::uniform_real_distribution<double> unit(0, 1);
  Chunk chunk(count);
  for (TokenComparison& token : chunk) {
    token.nats_baseline = 8 * unit(source);
    token.nats = std::abs(token.nats_baseline + unit(source) - 0.4);
    token.kld = unit(source) * unit(source);
    token.p_diff = std::exp(-token.nats) - std::exp(-token.nats_baseline);
    token.confidence = unit(source);
    token.margin = token.confidence * unit(source);
    token.entropy_baseline = 3 * unit(source);
    token.entropy = token.entropy_baseline + unit(source) - 0.5;
    token.same_top = unit(source) < 0.8;
  }
  return chunk;
}

TEST(DivergenceSum, PerplexitiesAreThoseOfPerplexitySum) {
  std::mt19937 source(1);
  DivergenceSum sum;
  PerplexitySum model;
  PerplexitySum baseline;
  for (int i = 0; i < 9; ++i) {
    Chunk chunk = random_chunk(20, source);
    std::vector<double> nats;
    std::vector<double> nats_baseline;
    for (const TokenComparison& token : chunk) {
      nats.push_back(token.nats);
      nats_baseline.push_back(token.nats_baseline);
    }
    sum.add_chunk(chunk);
    model.add_chunk(nats);
    baseline.add_chunk(nats_baseline);
  }
  DivergenceEstimate found = sum.estimate();
  EXPECT_EQ(found.model.perplexity, model.estimate().perplexity);
  EXPECT_EQ(found.model.error_tokens, model.estimate().error_tokens);
  EXPECT_EQ(found.model.error_chunks, model.estimate().error_chunks);
  EXPECT_EQ(found.baseline.perplexity, baseline.estimate().perplexity);
  EXPECT_EQ(sum.model().running(), model.running());
  EXPECT_EQ(sum.baseline().running(), baseline.running());
  EXPECT_EQ(sum.token_count(), 180U);
  EXPECT_EQ(found.token_count, 180U);
  EXPECT_EQ(found.chunk_count, 9U);
}

TEST(DivergenceSum, RatioAndDifferenceByHand) {
  // Baseline 1 and 3 nats, model 2 and 3: means 2.5 and 2, differences 1 and 0 with mean 1/2 and variance 1/4 over 2 - 1.
  DivergenceEstimate found = estimate_of({{with_nats(2, 1), with_nats(3, 3)}});
  EXPECT_DOUBLE_EQ(found.ln_ppl_ratio.value, 0.5);
  EXPECT_DOUBLE_EQ(*found.ln_ppl_ratio.error_tokens, 0.5);
  EXPECT_DOUBLE_EQ(found.ppl_ratio.value, std::exp(0.5));
  EXPECT_DOUBLE_EQ(*found.ppl_ratio.error_tokens, 0.5 * std::exp(0.5));
  EXPECT_DOUBLE_EQ(found.ppl_difference.value, std::exp(2.5) - std::exp(2.0));
  // exp(2.5) x - exp(2) y has the values 2 exp(2.5) - exp(2) and 3 exp(2.5) - 3 exp(2): half their difference.
  EXPECT_DOUBLE_EQ(*found.ppl_difference.error_tokens, std::abs(std::exp(2.5) / 2 - std::exp(2.0)));
  // Two points lie on a line.
  ASSERT_TRUE(found.correlation.has_value());
  EXPECT_DOUBLE_EQ(*found.correlation, 1);
  EXPECT_FALSE(found.ln_ppl_ratio.error_chunks.has_value());
}

TEST(DivergenceSum, CorrelationByHand) {
  // Baseline 0, 1, 2; model 1, 0, 2: covariance 1/3 of variances 2/3.
  DivergenceEstimate found = estimate_of({{with_nats(1, 0), with_nats(0, 1), with_nats(2, 2)}});
  EXPECT_NEAR(*found.correlation, 0.5, 8 * kStep);
  EXPECT_FALSE(estimate_of({{with_nats(1, 1), with_nats(2, 1)}}).correlation.has_value());
  EXPECT_FALSE(estimate_of({{with_nats(1, 1)}}).correlation.has_value());
}

// llama-perplexity's own formulas, from covariances.
TEST(DivergenceSum, ErrorsAreThoseOfTheCovariances) {
  std::mt19937 source(2);
  Chunk chunk = random_chunk(500, source);
  DivergenceEstimate found = estimate_of({chunk});
  long double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (const TokenComparison& token : chunk) {
    x += token.nats / 500.0L;
    y += token.nats_baseline / 500.0L;
    xx += static_cast<long double>(token.nats) * token.nats / 500;
    yy += static_cast<long double>(token.nats_baseline) * token.nats_baseline / 500;
    xy += static_cast<long double>(token.nats) * token.nats_baseline / 500;
  }
  long double variance_x = (xx - x * x) / 499;
  long double variance_y = (yy - y * y) / 499;
  long double covariance = (xy - x * y) / 499;
  long double a = std::exp(x);
  long double b = std::exp(y);
  long double tolerance = 1000 * kStep;  // of sums of 500 terms
  EXPECT_NEAR(*found.ln_ppl_ratio.error_tokens, std::sqrt(variance_x + variance_y - 2 * covariance),
              tolerance);
  EXPECT_NEAR(*found.ppl_difference.error_tokens,
              std::sqrt(a * a * variance_x + b * b * variance_y - 2 * a * b * covariance), tolerance * a);
  EXPECT_NEAR(*found.correlation, covariance / std::sqrt(variance_x * variance_y), tolerance);
}

TEST(DivergenceSum, SmallDifferencesAreNotLostInLargeNats) {
  // Differences of +-1e-9 in nats of 10: their squares vanish beside those of the nats.
  Chunk chunk;
  for (int i = 0; i < 100; ++i) chunk.push_back(with_nats(10 + i + (i % 2 == 0 ? 1e-9 : -1e-9), 10 + i));
  // The difference of two doubles near 100 has steps of 1.4e-14.
  EXPECT_NEAR(*estimate_of({chunk}).ln_ppl_ratio.error_tokens, 1e-9 / std::sqrt(99.0), 2e-14);
}

TEST(DivergenceSum, AnIdenticalModelHasErrorsOfExactlyZero) {
  std::vector<Chunk> chunks;
  for (int i = 0; i < 8; ++i) chunks.push_back({with_nats(0.1 * i, 0.1 * i), with_nats(1.7, 1.7)});
  DivergenceEstimate found = estimate_of(chunks);
  for (const Uncertain& measure : {found.ln_ppl_ratio, found.ppl_difference, found.kld, found.p_diff,
                                   found.p_diff_rms, found.entropy_shift}) {
    EXPECT_EQ(measure.value, 0);
    EXPECT_EQ(measure.error_tokens, 0);
    EXPECT_EQ(measure.error_chunks, 0);
  }
  EXPECT_EQ(found.ppl_ratio.value, 1);
  EXPECT_EQ(found.ppl_ratio.error_tokens, 0);
  EXPECT_EQ(found.same_top.value, 1);
  EXPECT_EQ(found.same_top.error_tokens, 0);
  EXPECT_EQ(found.flip_count, 0U);
}

TEST(DivergenceSum, OneTokenHasNoErrors) {
  DivergenceEstimate found = estimate_of({{with_kld(0.5)}});
  EXPECT_EQ(found.kld.value, 0.5);
  EXPECT_EQ(found.klds.at(0.01), 0.5);
  EXPECT_EQ(found.kld_cvar_1pct, 0.5);
  for (const Uncertain& measure : {found.ln_ppl_ratio, found.ppl_ratio, found.ppl_difference, found.kld,
                                   found.p_diff, found.p_diff_rms, found.same_top, found.entropy_shift}) {
    EXPECT_FALSE(measure.error_tokens.has_value());
    EXPECT_FALSE(measure.error_chunks.has_value());
  }
}

TEST(DivergenceSum, ErrorsOfTokensExistFromTwoOn) {
  // llama-perplexity says 0 up to ten tokens. Mean 2, variance 1 over 2 - 1.
  DivergenceEstimate found = estimate_of({{with_kld(1), with_kld(3)}});
  EXPECT_DOUBLE_EQ(found.kld.value, 2);
  EXPECT_DOUBLE_EQ(*found.kld.error_tokens, 1);
}

TEST(DivergenceSum, QuantilesInterpolateBetweenSortedValues) {
  // 0, 1, ..., 1000 in another order: the quantile at f is 1000 f, between values too.
  Chunk chunk;
  for (int i = 0; i <= 1000; ++i) chunk.push_back(with_kld(i * 10 % 1001));
  Distribution klds = estimate_of({chunk}).klds;
  EXPECT_EQ(klds.minimum, 0);
  EXPECT_EQ(klds.maximum, 1000);
  for (double fraction : kQuantileFractions) EXPECT_NEAR(klds.at(fraction), 1000 * fraction, 1e3 * kStep);

  Distribution few = estimate_of({{with_kld(3), with_kld(1), with_kld(2), with_kld(10)}}).klds;
  EXPECT_DOUBLE_EQ(few.at(0.5), 2.5);
  EXPECT_DOUBLE_EQ(few.at(0.25), 1.75);
  EXPECT_NEAR(few.at(0.999), 3 + 0.997 * 7, 16 * kStep);
  EXPECT_NEAR(few.at(0.001), 1.003, 16 * kStep);
  EXPECT_EQ(few.maximum, 10);
}

TEST(DivergenceSum, CvarIsTheMeanOfTheWorstPercent) {
  auto cvar_of = [](int count) {
    Chunk chunk;
    for (int i = 0; i < count; ++i) chunk.push_back(with_kld(i));
    return estimate_of({chunk}).kld_cvar_1pct;
  };
  EXPECT_EQ(cvar_of(1), 0);
  EXPECT_EQ(cvar_of(100), 99);
  EXPECT_EQ(cvar_of(101), 99.5);  // two tokens: rounded up
  EXPECT_EQ(cvar_of(200), 198.5);
  EXPECT_EQ(cvar_of(1000), 994.5);
}

TEST(DivergenceSum, ProbabilityDifferencesByHand) {
  // -0.3 and 0.1: mean -0.1, root of the mean of squares sqrt(0.05); squares 0.09 and 0.01 differ from theirs by 0.04.
  DivergenceEstimate found = estimate_of({{with_p_diff(-0.3), with_p_diff(0.1)}});
  EXPECT_DOUBLE_EQ(found.p_diff.value, -0.1);
  EXPECT_DOUBLE_EQ(*found.p_diff.error_tokens, 0.2);
  EXPECT_DOUBLE_EQ(found.p_diff_rms.value, std::sqrt(0.05));
  EXPECT_DOUBLE_EQ(*found.p_diff_rms.error_tokens, 0.5 / std::sqrt(0.05) * 0.04);
  EXPECT_EQ(found.p_diffs.minimum, -0.3F);
  EXPECT_EQ(found.p_diffs.maximum, 0.1F);
  EXPECT_NEAR(found.p_diffs.at(0.5), -0.1, std::numeric_limits<float>::epsilon());
}

TEST(DivergenceSum, FlipsByHand) {
  Chunk chunk(8);
  for (TokenComparison& token : chunk) token.margin = 0.125;
  chunk[1].same_top = chunk[4].same_top = false;
  chunk[4].margin = 0.375;
  DivergenceEstimate found = estimate_of({chunk});
  EXPECT_EQ(found.same_top.value, 0.75);
  EXPECT_DOUBLE_EQ(*found.same_top.error_tokens, std::sqrt(0.75 * 0.25 / 7));
  EXPECT_EQ(found.flip_count, 2U);
  EXPECT_EQ(found.flips_by_margin, (0.125 + 0.375) / 8);
}

TEST(DivergenceSum, EntropiesByHand) {
  Chunk chunk(2);
  chunk[0].entropy = 2;
  chunk[0].entropy_baseline = 1.5;
  chunk[1].entropy = 1;
  chunk[1].entropy_baseline = 1.5;
  DivergenceEstimate found = estimate_of({chunk});
  EXPECT_EQ(found.entropy, 1.5);
  EXPECT_EQ(found.entropy_baseline, 1.5);
  EXPECT_EQ(found.entropy_shift.value, 0);
  EXPECT_DOUBLE_EQ(*found.entropy_shift.error_tokens, 0.5);
}

TEST(DivergenceSum, BucketsOfConfidenceCoverEverything) {
  Chunk chunk;
  for (double confidence : {0.0, 0.0999, 0.1, 0.5, 0.98, 0.99, 1.0}) {
    TokenComparison token = with_kld(confidence < 0.1 ? 1 : 2);
    token.confidence = confidence;
    token.same_top = confidence != 0.0999;
    chunk.push_back(token);
  }
  auto buckets = estimate_of({chunk}).by_confidence;
  ASSERT_EQ(buckets.size(), 7U);
  EXPECT_EQ(buckets.front().from, 0);
  EXPECT_EQ(buckets.back().below, 1);
  for (size_t i = 1; i < buckets.size(); ++i) EXPECT_EQ(buckets[i].from, buckets[i - 1].below);
  std::vector<size_t> counts;
  for (const ConfidenceBucket& bucket : buckets) counts.push_back(bucket.token_count);
  EXPECT_EQ(counts, (std::vector<size_t>{2, 1, 0, 1, 0, 1, 2}));
  EXPECT_EQ(buckets[0].flip_count, 1U);
  EXPECT_EQ(buckets[1].flip_count, 0U);
  EXPECT_EQ(buckets[0].kld_mean(), 1);
  EXPECT_EQ(buckets[6].kld_mean(), 2);
  EXPECT_FALSE(buckets[2].kld_mean().has_value());
}

TEST(DivergenceSum, ErrorsOfChunksAreTheJackknifeByBruteForce) {
  std::mt19937 source(3);
  std::vector<Chunk> chunks;
  for (int i = 0; i < 11; ++i) chunks.push_back(random_chunk(13, source));
  DivergenceEstimate all = estimate_of(chunks);
  std::vector<DivergenceEstimate> without;
  for (size_t left_out = 0; left_out < chunks.size(); ++left_out) {
    std::vector<Chunk> rest = chunks;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(left_out));
    without.push_back(estimate_of(rest));
  }
  for (auto measure :
       {&DivergenceEstimate::ln_ppl_ratio, &DivergenceEstimate::ppl_ratio,
        &DivergenceEstimate::ppl_difference, &DivergenceEstimate::kld, &DivergenceEstimate::p_diff,
        &DivergenceEstimate::p_diff_rms, &DivergenceEstimate::same_top, &DivergenceEstimate::entropy_shift}) {
    std::vector<double> values;
    for (const DivergenceEstimate& estimate : without) values.push_back((estimate.*measure).value);
    double mean = 0;
    double squares = 0;
    for (double value : values) mean += value / 11;
    for (double value : values) squares += (value - mean) * (value - mean);
    ASSERT_TRUE((all.*measure).error_chunks.has_value());
    double wanted = std::sqrt(squares * 10 / 11);
    EXPECT_GT(wanted, 0);
    EXPECT_NEAR(*(all.*measure).error_chunks, wanted,
                1000 * kStep * std::abs((all.*measure).value) + 1000 * kStep);
  }
}

TEST(DivergenceSum, ErrorsOfChunksNeedEightOfThem) {
  std::mt19937 source(4);
  std::vector<Chunk> chunks(7, random_chunk(3, source));
  EXPECT_FALSE(estimate_of(chunks).kld.error_chunks.has_value());
  EXPECT_FALSE(estimate_of(chunks).ppl_difference.error_chunks.has_value());
  chunks.push_back(random_chunk(3, source));
  EXPECT_TRUE(estimate_of(chunks).kld.error_chunks.has_value());
  EXPECT_TRUE(estimate_of(chunks).ppl_difference.error_chunks.has_value());
}

TEST(DivergenceSum, KeepsTheMeansOfChunks) {
  Chunk first{with_nats(1, 2), with_nats(3, 2)};
  first[0].kld = 0.5;
  first[1].same_top = false;
  first[1].p_diff = -0.25;
  DivergenceSum sum = sum_of({first, {with_nats(5, 1), with_nats(5, 1)}});
  ASSERT_EQ(sum.chunks().size(), 2U);
  const ChunkDivergence& chunk = sum.chunks()[0];
  EXPECT_EQ(chunk.nats, 2);
  EXPECT_EQ(chunk.nats_baseline, 2);
  EXPECT_EQ(chunk.kld, 0.25);
  EXPECT_EQ(chunk.p_diff, -0.125);
  EXPECT_EQ(chunk.same_top, 0.5);
  EXPECT_EQ(sum.chunks()[1].nats, 5);
  EXPECT_EQ(sum.chunks()[1].kld, 0);
  EXPECT_EQ(sum.kld_so_far(), 0.125);
}

}  // namespace
}  // namespace fakequant
