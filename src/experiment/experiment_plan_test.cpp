#include "experiment/experiment_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "experiment/testing.h"

namespace fakequant {
namespace {

using testing::source_path;

ConfigOverrides demo() {
  ConfigOverrides overrides;
  overrides.demo = {[] { return source_path("data/demo-4.6m-f16.gguf"); },
                    [] { return source_path("data/demo-wordnet-heldout.txt"); }};
  return overrides;
}

ExperimentPlan plan_of(const std::string& text) {
  return plan_experiment(parse_experiment(text, testing::experiment_path(), demo()), Progress::Mode::silent);
}

std::string plan_error(const std::string& text) {
  return testing::without_folder([&] { plan_of(text); });
}

// "kind variant text" of every measurement.
std::vector<std::string> order_of(const ExperimentPlan& plan) {
  std::vector<std::string> order;
  for (const Measurement& measurement : plan.measurements) {
    std::string line = measurement.id.kind;
    for (const std::string& id : {measurement.id.model, measurement.id.variant, measurement.id.text})
      line += id.empty() ? "" : " " + id;
    order.push_back(line);
  }
  return order;
}

std::vector<std::string> keys_of(const ExperimentPlan& plan) {
  std::vector<std::string> keys;
  for (const Measurement& measurement : plan.measurements) keys.push_back(measurement.id.key);
  return keys;
}

constexpr const char* kTwoStages = R"(model = 'demo'
[[text]]
file = 'demo'
chunks = 4
[measure]
speed = true
[[prompt]]
prompt = 'Hello'
[[stage]]
name = 'one'
[[stage.variant]]
name = 'first'
tensors = 'ffn_norm'
layers = '0'
format = 'bf16:rtz'
[[stage]]
name = 'two'
requires = 'kld < 1'
[[stage.variant]]
name = 'second {layers}'
tensors = 'ffn_norm'
layers = ['0-2', '0-9']
format = 'bf16:rtz'
missing_layers = 'skip'
[[stage.variant]]
name = 'cache'
cache_k = 'q8_0'
)";

TEST(PlanExperiment, OrdersMeasurementsStageByStage) {
  ExperimentPlan plan = plan_of(kTwoStages);
  EXPECT_EQ(order_of(plan), (std::vector<std::string>{
                                "inspect m1", "difference m1 v1", "load m1 v1", "perplexity m1 t1",
                                "divergence m1 v1 t1", "generation m1 v1", "speed m1 v1", "difference m1 v2",
                                "divergence m1 v2 t1", "generation m1 v2", "difference m1 v3", "load m1 v3",
                                "divergence m1 v3 t1", "generation m1 v3", "speed m1 v3",
                                "divergence m1 v5 t1", "generation m1 v5", "speed m1 v5"}));
  ASSERT_EQ(plan.variants.size(), 5U);
  EXPECT_EQ(plan.variants[0].what, "ffn_norm of layer 0 in bf16:rtz");
  EXPECT_EQ(plan.variants[1].name, "control: bf16:rne everywhere");
  EXPECT_EQ(plan.variants[1].config, nullptr);
  EXPECT_EQ(plan.variants[1].stage, "one");
  EXPECT_EQ(plan.variants[2].name, "second 0-2");
  EXPECT_EQ(plan.variants[3].skipped_because,
            "layer selection '0-9': the model has no layer 6; its layers are 0-5");
  EXPECT_EQ(plan.variants[4].what, "keys cached as q8_0");
  EXPECT_FALSE(plan.variants[4].plan.has_value());
}

TEST(PlanExperiment, IsTheSameForTheSameInputs) {
  ExperimentPlan plan = plan_of(kTwoStages);
  EXPECT_EQ(keys_of(plan), keys_of(plan_of(kTwoStages)));
  EXPECT_EQ(experiment_record(plan), experiment_record(plan_of(kTwoStages)));
  std::set<std::string> distinct;
  for (const std::string& key : keys_of(plan)) {
    EXPECT_EQ(key.size(), 32U);
    EXPECT_TRUE(distinct.insert(key).second) << key;
  }
}

TEST(PlanExperiment, FilesWhoseHashesAreKnownAreNotRead) {
  ExperimentPlan plan = plan_of(kTwoStages);
  ASSERT_EQ(plan.hashes.size(), 2U);
  FileHashes known = plan.hashes;
  for (auto& [path, hash] : known) hash = std::string(32, '0');
  ExperimentPlan again = plan_experiment(parse_experiment(kTwoStages, testing::experiment_path(), demo()),
                                         Progress::Mode::silent, known);
  EXPECT_EQ(again.models[0].hash, std::string(32, '0'));
  EXPECT_EQ(again.texts[0].hash, std::string(32, '0'));
  EXPECT_NE(keys_of(again), keys_of(plan));
}

// What is changed in the experiment, and which kinds of measurements have other keys then.
struct Change {
  const char* from;
  const char* to;
  std::set<std::string> kinds;
};

TEST(PlanExperiment, KeysHoldWhatDeterminesAResult) {
  std::string text =
      std::string(kTwoStages) +
      "[settings]\nthreads = 1\nseed = 1\nepsilon = 1e-12\nbatch = 512\nlogits_memory = '1G'\n";
  ExperimentPlan before = plan_of(text);
  const Change changes[] = {
      {"name = 'first'", "name = '1st'", {}},
      {"name = 'one'", "name = 'eins'", {}},
      {"logits_memory = '1G'", "logits_memory = '2G'", {}},
      {"seed = 1", "seed = 2", {}},
      {"threads = 1", "threads = 2", {"speed"}},
      {"epsilon = 1e-12", "epsilon = 1e-9", {"difference"}},
      {"batch = 512", "batch = 256", {"perplexity", "divergence", "generation", "speed"}},
      {"[settings]", "[settings]\ncontext = 256", {}},  // what is taken of the demo model
      {"[settings]", "[settings]\ncontext = 128", {"perplexity", "divergence", "generation", "speed"}},
      {"chunks = 4", "chunks = 5", {"perplexity", "divergence"}},
      {"prompt = 'Hello'", "prompt = 'Hallo'", {"generation"}},
      {"speed = true", "speed = true\nspeed_repetitions = 6", {"speed"}},
      {"speed = true", "speed = true\nper_chunk = true", {"divergence"}},
      {"[settings]",
       "[settings]\nflash_attention = 'on'",
       {"load", "perplexity", "divergence", "generation", "speed"}}};
  for (const Change& change : changes) {
    std::string changed = text;
    changed.replace(changed.find(change.from), std::string(change.from).size(), change.to);
    ExperimentPlan after = plan_of(changed);
    ASSERT_EQ(after.measurements.size(), before.measurements.size());
    for (size_t i = 0; i < after.measurements.size(); ++i) {
      const MeasurementId& id = after.measurements[i].id;
      EXPECT_EQ(id.key != before.measurements[i].id.key, change.kinds.contains(id.kind))
          << change.to << ": " << id.kind;
    }
  }
}

TEST(PlanExperiment, WhatIsTheSameHasTheSameKeys) {
  ExperimentPlan plan = plan_of(
      "model = 'demo'\n[settings]\ncontrol = 'none'\n[measure]\ninspect = false\nload = false\n[[variant]]\n"
      "tensors = 'ffn_norm'\nlayers = ['0-5', 'all', '0-4']\nformat = ['bf16', 'bf16:rne']\n");
  std::vector<std::string> keys = keys_of(plan);
  ASSERT_EQ(keys.size(), 6U);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_EQ(keys[0], keys[2]);
  EXPECT_NE(keys[0], keys[4]);
  std::vector<std::string> warnings;
  for (const PlanWarning& warning : plan.warnings) warnings.push_back(warning.variant + " " + warning.text);
  EXPECT_EQ(warnings,
            (std::vector<std::string>{
                "v2 'layers 0-5, bf16:rne' is the same as 'layers 0-5, bf16' on this model: measured once",
                "v3 'all layers, bf16' is the same as 'layers 0-5, bf16' on this model: measured once",
                "v4 'all layers, bf16:rne' is the same as 'layers 0-5, bf16' on this model: measured once",
                "v6 'layers 0-4, bf16:rne' is the same as 'layers 0-4, bf16' on this model: measured once"}));
}

TEST(PlanExperiment, ASeedCountsWhereRoundingDraws) {
  std::string text =
      "model = 'demo'\n[settings]\ncontrol = 'none'\nseed = 1\n[measure]\ninspect = "
      "false\n[[variant]]\ntensors = 'ffn_norm'\n"
      "format = 'bf16:sr'\n";
  std::vector<std::string> before = keys_of(plan_of(text));
  text.replace(text.find("seed = 1"), 8, "seed = 2");
  std::vector<std::string> after = keys_of(plan_of(text));
  ASSERT_EQ(before.size(), 2U);
  EXPECT_NE(before[0], after[0]);
  EXPECT_NE(before[1], after[1]);
}

TEST(PlanExperiment, TellsEverythingThatTheModelDoesNotHave) {
  EXPECT_EQ(plan_error(R"(model = 'demo'
[[variant]]
name = 'a'
tensors = 'ffn_norm'
layers = '0-9'
format = 'bf16'
[[variant]]
name = 'b'
tensors = 'fnn_norm'
format = 'bf16'
[[variant]]
name = 'c'
tensors = 'ffn_norm'
layers = '0'
format = 'int4:group=96'
[[variant]]
name = 'd'
tensors = 'ffn_up'
layers = '0'
format = 'iq2_xxs'
[[variant]]
name = 'e'
tensors = 'ffn_norm'
layers = '0'
format = 'bf16'
store = 'bf16'
)"),
            "e.toml:2: variant 'a': layer selection '0-9': the model has no layer 6; its layers are 0-5\n"
            "e.toml:7: variant 'b': the model has no tensor of the role or name 'fnn_norm'; did you mean "
            "ffn_norm, attn_norm or norm?\n"
            "e.toml:11: variant 'c': blk.0.ffn_norm.weight cannot become int4:group=96:restricted:rne: its "
            "rows of 256 values are no multiple "
            "of the group of 96; the nearest format that fits is int4:group=128:restricted:rne; skip_unfit = "
            "true leaves such tensors as they are\n"
            "e.toml:16: variant 'd': tensor 'blk.0.ffn_up.weight': iq2_xxs needs an importance matrix and "
            "there is none for it: give imatrix in "
            "[settings] with an entry of this name\n"
            "e.toml:21: variant 'e': store: bf16 would put 'blk.0.ffn_norm.weight' into bf16, wanted f32 for "
            "a tensor of one dimension: "
            "llama.cpp's kernels take no other\n");
}

TEST(PlanExperiment, TheRecordSaysWhatBitsVariantsTake) {
  ExperimentPlan plan = plan_of(
      "model = 'demo'\n[[variant]]\ntensors = 'ffn_up'\nformat = 'q4_0'\nstore = ['keep', 'f32', 'auto']\n");
  VariantBits keep = bits_of(plan, plan.variants[0]);
  VariantBits wide = bits_of(plan, plan.variants[1]);
  uint64_t weights = 6 * 256 * 512;
  EXPECT_EQ(keep.chosen, (BitsPerWeight{weights * 9 / 2, weights}));
  EXPECT_EQ(keep.file->weights, 4'590'848U);
  EXPECT_EQ(keep.model->bits + weights * 16 - weights * 9 / 2, keep.file->bits);
  EXPECT_EQ(wide.file->bits, keep.file->bits + weights * 16);
  EXPECT_FALSE(bits_of(plan, plan.variants[2]).file.has_value());
  Json record = experiment_record(plan);
  EXPECT_EQ(record["kind"], "experiment");
  EXPECT_EQ(record["models"][0]["layers"], 6);
  EXPECT_EQ(record["models"][0]["training_context"], 256);
  EXPECT_EQ(record["variants"][1]["store"], "f32");
  EXPECT_EQ(record["variants"][1]["bits"]["weights"], weights);
  EXPECT_TRUE(record["variants"][2]["file_bits"].is_null());
  EXPECT_EQ(record["variants"][3]["is_control"], true);
  EXPECT_EQ(record["measures"], (Json{"inspect", "difference", "load"}));
  EXPECT_EQ(record["measurements"].size(), plan.measurements.size());
}

}  // namespace
}  // namespace fakequant
