// The experiments of the folder experiments/ on the demo model.

#include <gtest/gtest.h>

#include "experiment/experiment_plan.h"
#include "experiment/testing.h"

namespace fakequant {
namespace {

ExperimentPlan plan_of(const std::string& name) {
  ConfigOverrides overrides;
  overrides.demo = {[] { return testing::source_path("data/demo-4.6m-f16.gguf"); },
                    [] { return testing::source_path("data/demo-wordnet-heldout.txt"); }};
  return plan_experiment(load_experiment(testing::source_path("experiments/" + name), overrides),
                         Progress::Mode::silent);
}

std::vector<std::string> names_of(const ExperimentPlan& plan) {
  std::vector<std::string> names;
  for (const ExperimentVariant& variant : plan.variants) names.push_back(variant.name);
  return names;
}

TEST(Examples, FfnNormBf16IsTheOriginalExperiment) {
  ExperimentPlan plan = plan_of("ffn_norm_bf16.toml");
  EXPECT_EQ(names_of(plan), (std::vector<std::string>{"test 1: layer 0", "control: bf16:rne everywhere",
                                                      "layers 0-2", "layers 0-9", "layers all"}));
  EXPECT_EQ(plan.variants[0].plan->chosen_bits, (BitsPerWeight{4096, 256}));
  EXPECT_NE(plan.variants[3].skipped_because, "") << "the demo has six layers";
  EXPECT_EQ(plan.variants[4].plan->chosen_bits.weights, 6U * 256);
  EXPECT_EQ(plan.config.measures.prompts.size(), 24U);
  EXPECT_TRUE(plan.warnings.empty());
  ASSERT_EQ(plan.config.stages[1].conditions.size(), 2U);
}

TEST(Examples, FormatsOverviewHasTwentyFormats) {
  ExperimentPlan plan = plan_of("formats_overview.toml");
  EXPECT_EQ(plan.variants.size(), 21U) << "with the control";
  EXPECT_TRUE(plan.warnings.empty());
}

TEST(Examples, KvCacheHasEveryCombination) {
  ExperimentPlan plan = plan_of("kv_cache.toml");
  EXPECT_EQ(plan.variants.size(), 16U);
  EXPECT_EQ(names_of(plan)[1], "keys f16, values q8_0");
  EXPECT_EQ(plan.measurements.size(), 17U);
}

}  // namespace
}  // namespace fakequant
