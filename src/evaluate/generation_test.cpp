#include "evaluate/generation.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/error.h"
#include "base/parallel.h"

namespace fakequant {
namespace {

// The demo, and variants of it by other bytes of its norms.
class Generation : public testing::Test {
 protected:
  static RunningModel& running() {
    static RunningModel model(LoadedModel::load(
        {std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf"}, {}, LoadedModel::Weights::loaded));
    return model;
  }

  static ModelWeights& weights() {
    static ModelWeights result(running().model, 256);
    return result;
  }

  // The output norm with every other value multiplied by `factor`.
  static WeightChange scaled(float factor) {
    const std::string name = "output_norm.weight";
    std::vector<float> values(weights().bytes(name) / sizeof(float));
    weights().read(name, std::as_writable_bytes(std::span(values)));
    for (size_t i = 0; i < values.size(); i += 2) values[i] *= factor;
    auto bytes = std::as_bytes(std::span(values));
    return {name, {bytes.begin(), bytes.end()}};
  }

  static Variant baseline() { return {"demo", &running()}; }

  static GenerationResult measure(std::span<const Variant> variants, const std::vector<PromptRun>& runs) {
    return measure_generation(baseline(), variants, runs, {}, {});
  }
};

const std::vector<PromptRun> kRuns = {{"Hello", {0, 42}, 40},
                                      {"Hello", {0.8, 42}, 40},
                                      {"a tall tree", {0, 123}, 30},
                                      {"\u4F60\u597D", {0.7, 42}, 20}};

TEST_F(Generation, OfOneModelIsOnlyTexts) {
  GenerationResult result = measure({}, kRuns);
  EXPECT_EQ(result.baseline_name, "demo");
  EXPECT_TRUE(result.variants.empty());
  ASSERT_EQ(result.baseline.size(), kRuns.size());
  EXPECT_EQ(result.baseline[2].tokens.size(), 30U);
  EXPECT_FALSE(result.baseline[0].text.empty());
  EXPECT_EQ(result.baseline[0].top_count, 40U);
  EXPECT_EQ(result.prompt_token_counts[0], running().model.tokenize("Hello").size());
}

TEST_F(Generation, SameWeightsMakeTheSameTexts) {
  WeightPatch patch(weights(), {scaled(1)});
  GenerationResult result = measure(std::vector<Variant>{{"same", &running(), &patch}}, kRuns);
  for (const TextComparison& comparison : result.variants[0].texts) {
    EXPECT_FALSE(comparison.divergence);
    EXPECT_EQ(comparison.equal_share, 1);
  }
  EXPECT_EQ(result.variants[0].texts[0].forced_share, 1);
  // Of drawn texts not every token is the most likely one, not even to the model that made it.
  const GeneratedText& drawn = result.baseline[1];
  EXPECT_EQ(result.variants[0].texts[1].forced_share,
            static_cast<double>(drawn.top_count) / static_cast<double>(drawn.tokens.size()));
  EXPECT_LT(result.variants[0].texts[1].forced_share, 1);
}

TEST_F(Generation, DivergenceIsTheFirstDifferentToken) {
  WeightPatch patch(weights(), {scaled(3)});
  GenerationResult result = measure(std::vector<Variant>{{"scaled", &running(), &patch}}, kRuns);
  size_t diverged = 0;
  for (size_t i = 0; i < kRuns.size(); ++i) {
    const TextComparison& comparison = result.variants[0].texts[i];
    if (!comparison.divergence) continue;
    ++diverged;
    const Divergence& divergence = *comparison.divergence;
    const GeneratedText& own = result.baseline[i];
    size_t place = divergence.token_index;
    EXPECT_EQ(place, common_length(own.tokens, comparison.generated.tokens));
    EXPECT_EQ(divergence.baseline.token, own.tokens[place]);
    EXPECT_EQ(divergence.variant.token, comparison.generated.tokens[place]);
    EXPECT_EQ(own.text.substr(0, divergence.text_bytes),
              comparison.generated.text.substr(0, divergence.text_bytes));
    EXPECT_LT(comparison.equal_share, 1);
    for (const Candidate& candidate : {divergence.baseline, divergence.variant}) {
      EXPECT_GT(candidate.baseline_probability, 0);
      EXPECT_LT(candidate.baseline_probability, 1);
      EXPECT_GT(candidate.variant_probability, 0);
    }
    EXPECT_EQ(divergence.near_tie,
              is_near_tie(divergence.baseline.baseline_probability, divergence.variant.baseline_probability));
    if (kRuns[i].sampling.temperature > 0) continue;
    EXPECT_GT(divergence.baseline.baseline_probability, divergence.variant.baseline_probability);
    EXPECT_LT(divergence.baseline.variant_probability, divergence.variant.variant_probability);
  }
  EXPECT_EQ(diverged, kRuns.size());
}

TEST_F(Generation, LeavesTheBaselineAsItWas) {
  WeightPatch patch(weights(), {scaled(3)});
  std::vector<Variant> variants{{"scaled", &running(), &patch}, {"again", &running(), &patch}};
  GenerationResult result = measure(variants, kRuns);
  for (size_t i = 0; i < kRuns.size(); ++i) {
    EXPECT_EQ(result.variants[0].texts[i].generated.tokens, result.variants[1].texts[i].generated.tokens);
    EXPECT_EQ(measure({}, kRuns).baseline[i].tokens, result.baseline[i].tokens);
  }
}

TEST_F(Generation, DoesNotDependOnHowManyTextsAreMadeAtOnce) {
  ThreadLimit limit(3);
  WeightPatch patch(weights(), {scaled(3)});
  std::vector<Variant> variants{{"scaled", &running(), &patch}};
  GenerationResult wanted = measure(variants, kRuns);
  GenerationOptions options;
  options.texts_at_once = 3;
  GenerationResult found = measure_generation(baseline(), variants, kRuns, options, {});
  for (size_t i = 0; i < kRuns.size(); ++i) {
    EXPECT_EQ(found.baseline[i].tokens, wanted.baseline[i].tokens);
    EXPECT_EQ(found.variants[0].texts[i].generated.tokens, wanted.variants[0].texts[i].generated.tokens);
    EXPECT_EQ(found.variants[0].texts[i].forced_share, wanted.variants[0].texts[i].forced_share);
  }
}

TEST_F(Generation, ProgressAddsUpToTheWork) {
  WeightPatch patch(weights(), {scaled(1)});
  std::vector<Variant> variants{{"same", &running(), &patch}};
  std::atomic<uint64_t> tokens = 0;
  measure_generation(baseline(), variants, kRuns, {}, [&](uint64_t more) { tokens += more; });
  EXPECT_EQ(tokens, generation_work(kRuns, 1));
  EXPECT_EQ(tokens, 2 * (40U + 40U + 30U + 20U));
}

TEST_F(Generation, TextsEndWhereTheTrainingContextIsFull) {
  GenerationResult result = measure({}, {{"Hello", {0, 42}, 300}});
  EXPECT_EQ(result.baseline[0].tokens.size() + result.prompt_token_counts[0], 256U);
}

TEST_F(Generation, AChatTemplateMustBeThere) {
  GenerationOptions options;
  options.chat_template = true;
  EXPECT_THROW(measure_generation(baseline(), {}, kRuns, options, {}), Error);
}

TEST(CommonLength, ByHand) {
  EXPECT_EQ(common_length(std::vector<int32_t>{1, 2, 3}, std::vector<int32_t>{1, 2, 4, 3}), 2U);
  EXPECT_EQ(common_length(std::vector<int32_t>{1, 2}, std::vector<int32_t>{1, 2, 3}), 2U);
  EXPECT_EQ(common_length(std::vector<int32_t>{}, std::vector<int32_t>{1}), 0U);
}

TEST(EqualShare, IsOfTheLongerOne) {
  EXPECT_EQ(equal_share(std::vector<int32_t>{1, 2, 3, 4}, std::vector<int32_t>{1, 9, 3, 4}), 0.75);
  EXPECT_EQ(equal_share(std::vector<int32_t>{1, 2}, std::vector<int32_t>{1, 2, 3, 4}), 0.5);
  EXPECT_EQ(equal_share(std::vector<int32_t>{}, std::vector<int32_t>{}), 1);
}

TEST(VariantTexts, MeansOfEqualTextsAreExactlyOne) {
  VariantTexts variant;
  EXPECT_EQ(variant.totals().equal_share, 0);
  // A tenth ten times is less than 1.
  for (size_t count = 1; count <= 10; ++count) {
    variant.texts.emplace_back();
    EXPECT_EQ(variant.totals().equal_share, 1) << count;
    EXPECT_EQ(variant.totals().forced_share, 1) << count;
  }
  variant.texts.back().equal_share = 0;
  EXPECT_EQ(variant.totals().equal_share, 0.9);
}

TEST(IsNearTie, IsWithinTenPercent) {
  EXPECT_TRUE(is_near_tie(0.2, 0.2));
  EXPECT_TRUE(is_near_tie(0.5, 0.451));
  EXPECT_TRUE(is_near_tie(0.451, 0.5));
  EXPECT_FALSE(is_near_tie(0.5, 0.449));
  EXPECT_FALSE(is_near_tie(0.449, 0.5));
}

}  // namespace
}  // namespace fakequant
