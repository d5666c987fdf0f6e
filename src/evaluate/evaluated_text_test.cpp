#include "evaluate/evaluated_text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

const TokenizedText kText{"a.txt", std::vector<int32_t>(70), 2};

// Two chunks of two tokens, the model's nats 1 above the baseline's 2.
DivergenceSum two_chunks() {
  DivergenceSum sum;
  std::vector<TokenComparison> tokens(2);
  for (TokenComparison& token : tokens) {
    token.nats = 3;
    token.nats_baseline = 2;
    token.kld = 0.25;
  }
  tokens[1].same_top = false;
  sum.add_chunk(tokens);
  sum.add_chunk(tokens);
  return sum;
}

TEST(EvaluatedTexts, AloneAreAPerplexity) {
  PerplexitySum sum;
  sum.add_chunk(std::vector<double>{1, 2});
  Json json = evaluated_text_json({kText, sum, 0.5}, true);
  EXPECT_EQ(json["file"], "a.txt");
  EXPECT_EQ(json["tokens"], 70);
  EXPECT_EQ(json["chunks"], 2);
  EXPECT_EQ(json["scored_tokens"], 2);
  EXPECT_EQ(json["seconds"], 0.5);
  EXPECT_EQ(json["model"]["nats_per_token"], 1.5);
  EXPECT_EQ(json["model"]["perplexity"], std::exp(1.5));
  EXPECT_TRUE(json["model"]["perplexity_error_chunks"].is_null()) << "one chunk has none";
  EXPECT_EQ(json["model"]["running"].size(), 1U);
  for (const char* key : {"baseline", "divergence", "per_chunk"}) EXPECT_FALSE(json.contains(key)) << key;
}

TEST(EvaluatedTexts, ComparedHaveBothPerplexitiesAndTheDivergence) {
  EvaluatedText text(kText, two_chunks(), 0.5);
  Json json = evaluated_text_json(text, false);
  EXPECT_EQ(json["model"]["nats_per_token"], 3);
  EXPECT_EQ(json["baseline"]["nats_per_token"], 2);
  EXPECT_EQ(json["scored_tokens"], 4);
  EXPECT_EQ(json["divergence"]["ln_ppl_ratio"], 1);
  EXPECT_EQ(json["divergence"]["ln_ppl_ratio_error"], 0) << "every token gives the same";
  EXPECT_EQ(json["divergence"]["kld_mean"], 0.25);
  EXPECT_EQ(json["divergence"]["kld_p999"], 0.25);
  EXPECT_EQ(json["divergence"]["kld_median"], 0.25);
  EXPECT_EQ(json["divergence"]["flips"], 2);
  EXPECT_EQ(json["divergence"]["same_top"], 0.5);
  EXPECT_FALSE(json.contains("per_chunk"));
  Json chunks = evaluated_text_json(text, true)["per_chunk"];
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[1]["nats_per_token"], 3);
  EXPECT_EQ(chunks[1]["ln_ppl_ratio"], 1);
  EXPECT_EQ(chunks[1]["same_top"], 0.5);
}

}  // namespace
}  // namespace fakequant
