#include "evaluate/baseline_logits.h"

#include <gtest/gtest.h>

#include "engine/non_finite.h"
#include "evaluate/comparison.h"
#include "evaluate/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;

constexpr size_t kChunks = 7;
constexpr size_t kVocabulary = 2048;
constexpr uint64_t kGroupBytes = 2 * 16 * kVocabulary * sizeof(float);  // two chunks, positions 16 to 31

class BaselinesLogits : public testing::Test {
 protected:
  void SetUp() override { running().decoders = make_decoders(2, 2); }
  void TearDown() override { running().decoders.clear(); }

  std::unique_ptr<BaselineLogits> logits(uint64_t bytes) {
    return std::make_unique<BaselineLogits>(Baseline{.variant = &baseline_}, *running().decoders.front(),
                                            ComparisonText{tokens_, kChunks}, bytes);
  }

  // How a variant differs from what `logits` keeps.
  static DivergenceEstimate compare(BaselineLogits& logits, const Variant& variant) {
    return compare_variants(logits, {&variant, 1}, [](const ComparisonStep&) {})
        .variants[0]
        .divergence.estimate();
  }

  std::vector<int32_t> tokens_ = text_tokens(kChunks * kContext);
  Variant baseline_{"demo", &running()};
};

TEST_F(BaselinesLogits, OfAWholeTextAreOneStage) {
  EXPECT_EQ(logits(4 * kGroupBytes)->stage_count(), 1U) << "seven chunks are four groups";
  EXPECT_TRUE(logits(4 * kGroupBytes)->keeps_all());
  std::unique_ptr<BaselineLogits> in_stages = logits(4 * kGroupBytes - 1);
  EXPECT_FALSE(in_stages->keeps_all());
  ASSERT_EQ(in_stages->stage_count(), 2U);
  EXPECT_EQ(in_stages->range(0).count, 6U);
  EXPECT_EQ(in_stages->range(1).first, 6U);
  EXPECT_EQ(in_stages->range(1).count, 1U);
}

// Whoever scales the baseline's weights behind its back sees whether it is decoded again.
TEST_F(BaselinesLogits, AreDecodedOnceWhereTheyAreKept) {
  std::unique_ptr<BaselineLogits> kept = logits(4 * kGroupBytes);
  std::unique_ptr<BaselineLogits> in_stages = logits(2 * kGroupBytes);
  EXPECT_EQ(compare(*kept, baseline_).kld.value, 0);
  EXPECT_EQ(compare(*in_stages, baseline_).kld.value, 0);
  WeightPatch patch(weights(), scaled("blk.2.ffn_norm.weight", 0.5F));
  patch.apply();
  EXPECT_GT(compare(*kept, baseline_).kld.value, 1e-4) << "against what it was";
  EXPECT_EQ(compare(*in_stages, baseline_).kld.value, 0) << "against what it is";
}

TEST_F(BaselinesLogits, GiveTheSameToEveryVariantInAnyOrder) {
  WeightPatch half(weights(), scaled("blk.2.ffn_norm.weight", 0.5F));
  WeightPatch twice(weights(), scaled("blk.3.ffn_norm.weight", 2));
  Variant variants[] = {{"half", &running(), &half}, {"twice", &running(), &twice}};
  ComparisonResult together = compare_variants({.variant = &baseline_}, variants, {tokens_, kChunks},
                                               kGroupBytes, [](const ComparisonStep&) {});
  for (uint64_t bytes : {kGroupBytes, 2 * kGroupBytes, 4 * kGroupBytes}) {
    std::unique_ptr<BaselineLogits> one_by_one = logits(bytes);
    for (size_t i : {1, 0, 1}) {
      DivergenceEstimate found = compare(*one_by_one, variants[i]);
      DivergenceEstimate wanted = together.variants[i].divergence.estimate();
      EXPECT_EQ(found.kld.value, wanted.kld.value);
      EXPECT_EQ(found.klds.quantiles, wanted.klds.quantiles);
      EXPECT_EQ(found.ln_ppl_ratio.value, wanted.ln_ppl_ratio.value);
      EXPECT_EQ(found.baseline.perplexity, wanted.baseline.perplexity);
    }
  }
}

TEST_F(BaselinesLogits, WithoutVariantsAreThePerplexityAlone) {
  std::unique_ptr<BaselineLogits> kept = logits(4 * kGroupBytes);
  uint64_t told = 0;
  auto measure = [&] {
    return compare_variants(*kept, {}, [&](const ComparisonStep& step) { told += step.tokens; });
  };
  PerplexitySum first = measure().baseline;
  EXPECT_EQ(told, kChunks * kContext);
  EXPECT_EQ(first.running(), measure().baseline.running());
  EXPECT_EQ(first.token_count(), kChunks * 15);
}

TEST_F(BaselinesLogits, ThatFailToBeDecodedAreNotKept) {
  std::unique_ptr<BaselineLogits> kept = logits(4 * kGroupBytes);
  WeightPatch broken(weights(), scaled("output_norm.weight", std::numeric_limits<float>::quiet_NaN()));
  {
    broken.apply();
    EXPECT_THROW(kept->open(0), NonFiniteError);
    broken.restore();
  }
  EXPECT_EQ(compare(*kept, baseline_).kld.value, 0);
}

using Shares = std::vector<uint64_t>;

Shares shares(uint64_t total, Shares wanted) {
  return share_logits_bytes(total, wanted, 10);
}

TEST(ShareLogitsBytes, KeepsAllTextsWhereTheyFit) {
  EXPECT_EQ(shares(100, {30, 50, 20}), (Shares{30, 50, 20}));
  EXPECT_EQ(shares(1000, {30, 50, 20}), (Shares{30, 50, 20}));
}

TEST(ShareLogitsBytes, KeepsShortTextsAndLeavesTheRestToTheLong) {
  EXPECT_EQ(shares(99, {30, 50, 20}), (Shares{30, 49, 20}));
  EXPECT_EQ(shares(60, {30, 50, 20}), (Shares{30, 10, 20}));
  EXPECT_EQ(shares(59, {30, 50, 20}), (Shares{39, 39, 20})) << "a group has to be left";
  EXPECT_EQ(shares(10, {30, 50, 20}), (Shares{10, 10, 10}));
  EXPECT_EQ(shares(40, {100}), (Shares{40}));
  EXPECT_EQ(shares(40, {}), Shares{});
}

TEST(ShareLogitsBytesDeathTest, WantsAGroup) {
  EXPECT_DEATH(shares(9, {30}), "group");
}

}  // namespace
}  // namespace fakequant
