#include "experiment/forecast.h"

#include <gtest/gtest.h>

#include "experiment/testing.h"
#include "experiment/time_left.h"

namespace fakequant {
namespace {

ExperimentPlan plan_of(const std::string& text) {
  ConfigOverrides overrides;
  overrides.demo = {[] { return testing::source_path("data/demo-4.6m-f16.gguf"); },
                    [] { return testing::source_path("data/demo-wordnet-heldout.txt"); }};
  return plan_experiment(parse_experiment(text, testing::experiment_path(), overrides),
                         Progress::Mode::silent);
}

// Powers of two, so that sums are exact. The demo has 4,590,848 weights.
ModelTiming timing() {
  return {.load_seconds = 8,
          .chunk_seconds = 0.5,
          .token_seconds = 0.25,
          .weight_seconds = 1.0 / 65536,
          .threads = 2,
          .text_chunks = {32}};
}

TEST(Forecast, AddsWhatEachMeasurementTakes) {
  ExperimentPlan plan = plan_of(
      "model = 'demo'\n[[text]]\nfile = 'demo'\n[settings]\ncontrol = 'none'\n[measure]\nspeed = "
      "true\nspeed_repetitions = 7\n[[prompt]]\n"
      "prompt = 'a'\ntemperature = 0\ntokens = 16\n[[variant]]\ntensors = 'ffn_norm'\nlayers = '0'\nformat = "
      "'bf16'\n");
  Forecast result = forecast(plan, {timing()});
  double rounding = 256.0 / 65536;
  std::vector<double> expected{4'590'848.0 / 65536,                              // inspect
                               3 * rounding,                                     // difference
                               rounding + 8 + 16 * 0.25,                         // load
                               8 + 32 * 0.5,                                     // perplexity
                               rounding + 32 * 0.5,                              // divergence
                               rounding + 2 * 16 * 0.25,                         // generation
                               rounding + 8 * (8 + 2 * 2 * (0.5 + 64 * 0.25))};  // speed
  EXPECT_EQ(result.seconds, expected);
  double total = 0;
  for (double seconds : expected) total += seconds;
  EXPECT_EQ(result.total, total);
  EXPECT_EQ(result.of_variant(plan, 0), total - expected[0] - expected[3]);
}

TEST(Forecast, WhatIsMeasuredOnceCountsOnce) {
  ExperimentPlan plan = plan_of(
      "model = 'demo'\n[settings]\ncontrol = 'none'\n[measure]\ninspect = false\nload = "
      "false\n[[variant]]\ntensors = 'ffn_norm'\n"
      "layers = ['0-5', 'all']\nformat = 'bf16'\n");
  Forecast result = forecast(plan, {timing()});
  ASSERT_EQ(result.seconds.size(), 2U);
  EXPECT_GT(result.seconds[0], 0);
  EXPECT_EQ(result.seconds[1], 0);
}

TEST(DurationText, IsInUnitsThatAPersonWants) {
  EXPECT_EQ(duration_text(0), "1 s");
  EXPECT_EQ(duration_text(40.4), "40 s");
  EXPECT_EQ(duration_text(89.4), "89 s");
  EXPECT_EQ(duration_text(180), "3 min");
  EXPECT_EQ(duration_text(7500), "2 h 5 min");
}

}  // namespace
}  // namespace fakequant
