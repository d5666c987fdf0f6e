#include "evaluate/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fakequant {
namespace {

constexpr double kDoubleStep = std::numeric_limits<double>::epsilon();

PerplexitySum sum_of(const std::vector<std::vector<double>>& chunks) {
  PerplexitySum sum;
  for (const std::vector<double>& nats : chunks) sum.add_chunk(nats);
  return sum;
}

TEST(PerplexitySum, MeanAndErrorOfTokensByHand) {
  // Mean 2, mean of squares 5, variance 1 over 4 tokens: standard error 1 / sqrt(3).
  PerplexityEstimate estimate = sum_of({{1, 3}, {3, 1}}).estimate();
  EXPECT_DOUBLE_EQ(estimate.nats_per_token, 2);
  EXPECT_DOUBLE_EQ(estimate.perplexity, std::exp(2.0));
  ASSERT_TRUE(estimate.error_tokens.has_value());
  EXPECT_DOUBLE_EQ(*estimate.error_tokens, std::exp(2.0) / std::sqrt(3.0));
}

TEST(PerplexitySum, RunsFromChunkToChunk) {
  PerplexitySum sum = sum_of({{1, 3}, {3, 3}, {4, 4}});
  ASSERT_EQ(sum.running().size(), 3U);
  EXPECT_DOUBLE_EQ(sum.running()[0], std::exp(2.0));
  EXPECT_DOUBLE_EQ(sum.running()[1], std::exp(2.5));
  EXPECT_DOUBLE_EQ(sum.running()[2], std::exp(3.0));
  EXPECT_EQ(sum.token_count(), 6U);
}

TEST(PerplexitySum, HasNoErrorWhereThereIsNoSpread) {
  EXPECT_FALSE(sum_of({{2}}).estimate().error_tokens.has_value());
  EXPECT_FALSE(sum_of({{2, 2}, {2, 2}}).estimate().error_tokens.has_value());
}

TEST(PerplexitySum, ErrorOfChunksIsTheJackknifeByHand) {
  // One chunk of 8 has 8 ln 2 more nats than the others' 0; leaving out it gives 1, any other exp(8 ln 2 / 7).
  std::vector<std::vector<double>> chunks(8, {0.0});
  chunks[3] = {8 * std::log(2.0)};
  PerplexityEstimate estimate = sum_of(chunks).estimate();
  double other = std::exp(8 * std::log(2.0) / 7);
  double mean = (7 * other + 1) / 8;
  double squares = 7 * (other - mean) * (other - mean) + (1 - mean) * (1 - mean);
  ASSERT_TRUE(estimate.error_chunks.has_value());
  EXPECT_NEAR(*estimate.error_chunks, std::sqrt(squares * 7 / 8), 16 * kDoubleStep * other);
}

TEST(PerplexitySum, ErrorOfChunksNeedsEightOfThem) {
  std::vector<std::vector<double>> chunks(7, {1.0, 2.0});
  EXPECT_FALSE(sum_of(chunks).estimate().error_chunks.has_value());
  chunks.push_back({3.0, 4.0});
  EXPECT_TRUE(sum_of(chunks).estimate().error_chunks.has_value());
}

TEST(PerplexitySum, ErrorOfChunksGrowsWhenTheirTokensBelongTogether) {
  // The same 64 values: mixed in every chunk, or each chunk all of one kind.
  std::vector<std::vector<double>> mixed(8, {1, 1, 1, 1, 3, 3, 3, 3});
  std::vector<std::vector<double>> sorted;
  for (int i = 0; i < 8; ++i) sorted.emplace_back(8, i % 2 == 0 ? 1.0 : 3.0);
  PerplexityEstimate a = sum_of(mixed).estimate();
  PerplexityEstimate b = sum_of(sorted).estimate();
  EXPECT_DOUBLE_EQ(a.perplexity, b.perplexity);
  EXPECT_DOUBLE_EQ(*a.error_tokens, *b.error_tokens);
  EXPECT_LT(*a.error_chunks, *a.error_tokens);
  EXPECT_GT(*b.error_chunks, 2 * *b.error_tokens);
}

TEST(MacroAverage, CountsEveryTextAlike) {
  std::vector<PerplexityEstimate> texts{{10, std::log(10.0), 3.0, 6.0}, {20, std::log(20.0), 4.0, 8.0}};
  PerplexityEstimate average = macro_average(texts);
  EXPECT_DOUBLE_EQ(average.perplexity, 15);
  EXPECT_DOUBLE_EQ(*average.error_tokens, 2.5);
  EXPECT_DOUBLE_EQ(*average.error_chunks, 5);
  texts[1].error_chunks.reset();
  EXPECT_FALSE(macro_average(texts).error_chunks.has_value());
  EXPECT_TRUE(macro_average(texts).error_tokens.has_value());
}

}  // namespace
}  // namespace fakequant
