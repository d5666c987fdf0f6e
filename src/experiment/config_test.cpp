#include "experiment/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "experiment/config_keys.h"
#include "experiment/testing.h"

namespace fakequant {
namespace {

using testing::experiment_error;
using testing::kLeastExperiment;
using testing::read_experiment;

std::vector<std::string> names_of(const ConfigStage& stage) {
  std::vector<std::string> names;
  for (const ConfigVariant& variant : stage.variants) names.push_back(variant.name);
  return names;
}

std::vector<std::string> variant_names(const std::string& variants) {
  return names_of(read_experiment("model = 'demo'\n" + variants).stages.front());
}

TEST(ParseExperiment, TakesTheLeastThereIs) {
  ExperimentConfig config = read_experiment(kLeastExperiment);
  ASSERT_EQ(config.models.size(), 1U);
  EXPECT_EQ(config.models[0].name, "demo");
  EXPECT_EQ(config.models[0].path, "data/demo.gguf");
  ASSERT_EQ(config.stages.size(), 1U);
  EXPECT_EQ(config.stages[0].name, kOnlyStage);
  ASSERT_EQ(config.stages[0].variants.size(), 1U);
  EXPECT_EQ(config.stages[0].variants[0].name, "ffn_norm, bf16");
  EXPECT_TRUE(config.texts.empty());
  EXPECT_TRUE(config.measures.inspect && config.measures.difference && config.measures.load);
  EXPECT_FALSE(config.measures.divergence) << "there is no text";
  EXPECT_EQ(config.settings.control, "bf16");
  EXPECT_EQ(config.settings.epsilon, 1e-12);
  EXPECT_EQ(config.settings.gpu_layers, -1);
}

TEST(ParseExperiment, TakesEveryKey) {
  ExperimentConfig config = read_experiment(R"(
title = "T"
description = "D"
models = ["demo"]
[[text]]
file = "demo"
chunks = 8
[settings]
context = 64
batch = 128
threads = 3
gpu_layers = 2
flash_attention = "on"
cache_k = "q8_0"
cache_v = "bf16"
seed = 7
imatrix = "here.txt"
control = "none"
logits_memory = "500M"
epsilon = 1e-9
[measure]
inspect = false
difference = true
load = true
divergence = true
per_chunk = true
chat = true
speed = true
speed_repetitions = 6
[[prompt]]
prompt = "a"
temperature = 0
[[stage]]
name = "one"
[[stage.variant]]
name = "first"
tensors = "ffn_norm"
layers = "0-2"
format = "bf16:rtz"
store = "f32"
skip_unfit = true
missing_layers = "skip"
cache_k = "f16"
cache_v = "q4_0"
[[stage]]
name = "two"
requires = "kld < 1"
[[stage.variant]]
name = "second"
[[stage.variant.rule]]
tensors = "attn_q"
format = "f16"
[[stage.variant.rule]]
layers = "0"
format = "int8"
store = "auto"
[[criterion]]
name = "c"
check = "loads == 1"
stages = ["one"]
stop = true
[[criterion]]
name = "d"
judge = true
[limits]
measurement = "90 s"
time = "2h"
memory = "2G"
[output]
files = true
report = ["md", "html"]
)");
  EXPECT_EQ(config.title, "T");
  EXPECT_EQ(config.description, "D");
  EXPECT_EQ(config.texts.at(0).path, "data/demo.txt");
  EXPECT_EQ(config.texts[0].chunks, 8U);
  const ConfigSettings& settings = config.settings;
  EXPECT_EQ(settings.context, 64);
  EXPECT_EQ(settings.batch, 128);
  EXPECT_EQ(settings.threads, 3);
  EXPECT_EQ(settings.gpu_layers, 2);
  EXPECT_EQ(settings.flash_attention, FlashAttention::on);
  EXPECT_EQ(settings.cache_k, TensorType::Q8_0);
  EXPECT_EQ(settings.cache_v, TensorType::BF16);
  EXPECT_EQ(settings.seed, 7U);
  EXPECT_TRUE(settings.imatrix.ends_with("here.txt")) << settings.imatrix;
  EXPECT_EQ(settings.control, "none");
  EXPECT_EQ(settings.logits_memory_bytes, 500U << 20);
  EXPECT_EQ(settings.epsilon, 1e-9);
  const ConfigMeasures& measures = config.measures;
  EXPECT_FALSE(measures.inspect);
  EXPECT_TRUE(measures.difference && measures.load && measures.divergence && measures.per_chunk);
  EXPECT_TRUE(measures.chat && measures.speed);
  EXPECT_EQ(measures.speed_repetitions, 6U);
  ASSERT_EQ(measures.prompts.size(), 1U);
  EXPECT_EQ(measures.prompts[0].prompt, "a");
  ASSERT_EQ(config.stages.size(), 2U);
  const ConfigVariant& first = config.stages[0].variants.at(0);
  EXPECT_EQ(first.name, "first");
  EXPECT_EQ(first.tensors, "ffn_norm");
  EXPECT_EQ(first.layers, "0-2");
  EXPECT_EQ(first.format, "bf16:rtz");
  EXPECT_EQ(first.store, Store::f32);
  EXPECT_TRUE(first.skip_unfit);
  EXPECT_EQ(first.missing_layers, MissingLayers::skip);
  EXPECT_EQ(first.cache_k, TensorType::F16);
  EXPECT_EQ(first.cache_v, TensorType::Q4_0);
  ASSERT_EQ(first.rules.size(), 1U);
  EXPECT_EQ(first.rules[0].format.name, "bf16:rtz");
  ASSERT_EQ(config.stages[1].conditions.size(), 1U);
  EXPECT_EQ(config.stages[1].conditions[0].text, "kld < 1");
  ASSERT_EQ(config.stages[1].variants.at(0).rules.size(), 2U);
  EXPECT_EQ(config.stages[1].variants[0].rules[1].store, Store::automatic);
  ASSERT_EQ(config.criteria.size(), 2U);
  EXPECT_TRUE(config.criteria[0].stops);
  EXPECT_EQ(config.criteria[0].stages, std::vector<std::string>{"one"});
  EXPECT_FALSE(config.criteria[1].condition.has_value());
  EXPECT_EQ(config.limits.seconds_per_measurement, 90);
  EXPECT_EQ(config.limits.seconds, 7200);
  EXPECT_EQ(config.limits.memory_bytes, 2ULL << 30);
  EXPECT_TRUE(config.output.files);
  EXPECT_EQ(config.output.reports, (std::vector<std::string>{"md", "html"}));
}

TEST(ParseExperiment, ListsMakeEveryCombinationTheLastFastest) {
  EXPECT_EQ(
      variant_names(
          "[[variant]]\ntensors = 'ffn_norm'\nlayers = ['0', '0-2', 'all']\nformat = ['bf16:rtz', 'bf16']"),
      (std::vector<std::string>{"layer 0, bf16:rtz", "layer 0, bf16", "layers 0-2, bf16:rtz",
                                "layers 0-2, bf16", "all layers, bf16:rtz", "all layers, bf16"}));
  EXPECT_EQ(
      variant_names("[[variant]]\ntensors = 'ffn_norm'\nformat = ['bf16:rtz', 'bf16']\nlayers = ['0', '1']"),
      (std::vector<std::string>{"bf16:rtz, layer 0", "bf16:rtz, layer 1", "bf16, layer 0", "bf16, layer 1"}));
  EXPECT_EQ(variant_names("[[variant]]\ncache_k = ['f16', 'q8_0']\ncache_v = ['q8_0', 'q4_0']"),
            (std::vector<std::string>{"K f16, V q8_0", "K f16, V q4_0", "K q8_0, V q8_0", "K q8_0, V q4_0"}));
}

TEST(ParseExperiment, NamesAreGivenOrMade) {
  EXPECT_EQ(variant_names("[[variant]]\nname = 'a {layers} b {format}'\ntensors = 'ffn_norm'\nlayers = ['0', "
                          "'1']\nformat = 'bf16'"),
            (std::vector<std::string>{"a 0 b bf16", "a 1 b bf16"}));
  EXPECT_EQ(
      variant_names("[[variant]]\nname = 'a'\ntensors = 'ffn_norm'\nlayers = ['0', '1']\nformat = 'bf16'"),
      (std::vector<std::string>{"a: layer 0", "a: layer 1"}));
  EXPECT_EQ(
      variant_names(
          "[[variant]]\nlayers = ['0', '1']\nformat = 'bf16'\n[[variant]]\nlayers = '0'\nformat = 'f16'"),
      (std::vector<std::string>{"layer 0, bf16", "layer 1, bf16", "layer 0, f16"}))
      << "of several tables names say all there is";
}

TEST(ParseExperiment, ABaselineMakesModelsVariants) {
  ExperimentConfig config = read_experiment("baseline = 'demo'\nmodels = ['a.gguf', 'b.gguf']");
  ASSERT_EQ(config.models.size(), 1U);
  EXPECT_EQ(config.models[0].name, "demo");
  ASSERT_EQ(config.stages.size(), 1U);
  EXPECT_EQ(names_of(config.stages[0]), (std::vector<std::string>{"a.gguf", "b.gguf"}));
  ASSERT_TRUE(config.stages[0].variants[1].model.has_value());
  EXPECT_TRUE(config.stages[0].variants[1].model->path.ends_with("/b.gguf"));
}

TEST(ParseExperiment, TheCommandLineTakesThePlaceOfTheFile) {
  ConfigOverrides overrides = testing::demo_overrides();
  overrides.models = {"demo"};
  overrides.texts = {"demo"};
  std::string path = testing::experiment_path();
  ExperimentConfig config = parse_experiment(
      "model = 'gone.gguf'\n[[text]]\nfile = 'gone.txt'\nchunks = 5\n[[variant]]\nlayers = '0'\nformat = "
      "'bf16'",
      path, overrides);
  EXPECT_EQ(config.models.at(0).path, "data/demo.gguf");
  EXPECT_EQ(config.texts.at(0).path, "data/demo.txt");
  EXPECT_EQ(config.texts[0].chunks, 5U);
  overrides.chunks = 3;
  config = parse_experiment("[[text]]\nfile = 'gone.txt'\n[[variant]]\nlayers = '0'\nformat = 'bf16'", path,
                            overrides);
  EXPECT_EQ(config.texts.at(0).chunks, 3U);
}

TEST(ParseExperiment, TellsAllProblemsInTheOrderOfLines) {
  EXPECT_EQ(
      experiment_error(R"(modle = "demo"
model = "gone.gguf"
[[variant]]
tensors = "ffn_norm"
format = "bf61"
[settings]
context = 3
cache_k = "q8"
[limits]
time = "2 hours"
)"),
      "e.toml:1: unknown key 'modle'; an experiment holds title, description, model, models, baseline, text, "
      "settings, measure, prompt, stage, variant, criterion, limits, output; did you mean model or models?\n"
      "e.toml:2: model: found no file FOLDER/gone.gguf, wanted one\n"
      "e.toml:5: variant 1: format 'bf61': 'bf61' is no format; see `fakequant formats`; did you mean bf16?\n"
      "e.toml:7: settings: context: found 3, wanted a whole number from 4 to 16777216\n"
      "e.toml:8: settings: cache_k: found 'q8', wanted one of f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, "
      "q5_0, q5_1; did you mean q8_0?\n"
      "e.toml:10: limits: time: found '2 hours', wanted a time such as \"90 s\", \"5 min\" or \"2h\"\n");
}

TEST(ParseExperiment, StagesRequireWhatCameBefore) {
  EXPECT_EQ(
      experiment_error("model = 'demo'\n[[stage]]\nname = 'a'\nrequires = ['loads == "
                       "1']\n[[stage.variant]]\nlayers = '0'\nformat = 'f16'\n"
                       "[[stage]]\nname = 'a'\n"),
      "e.toml:4: stage 1: requires: nothing comes before the first stage, so there is nothing to require\n"
      "e.toml:8: stage 2: no variants; write [[stage.variant]]\n"
      "e.toml:8: stage 'a': found twice, first in line 2, wanted once\n");
}

TEST(ParseExperiment, AnEmptyFileHasNeitherModelNorVariants) {
  EXPECT_EQ(
      experiment_error(""),
      "e.toml: no model; write model = \"model.gguf\", or \"demo\"\n"
      "e.toml: no variants; write [[variant]], and below it what is changed: tensors, layers and format\n");
}

TEST(ParseExperiment, TooManyVariantsAreRefused) {
  std::string layers;
  for (int i = 0; i < 101; ++i) layers += fmt::format("'{}',", i);
  std::string error = experiment_error("model = 'demo'\n[[variant]]\ntensors = 'a'\nlayers = [" + layers +
                                       "]\nformat = 'bf16'\n[[variant]]\ntensors = [" + layers +
                                       "]\nlayers = [" + layers + "]\nformat = 'bf16'\n");
  EXPECT_EQ(error, "e.toml:6: variant 2: found 10201 combinations, wanted at most 10,000\n");
}

// A date is of no kind that any key takes: a key that the parser does not look at would let it pass.
TEST(ParseExperiment, EveryKeyIsChecked) {
  for (const ConfigKey& key : config_keys()) {
    const ConfigTable& table = config_table(key.table);
    std::string heading(table.heading);
    if (key.table == "variant") heading = "[[variant]]";
    if (key.table == "rule") heading = "[[variant]]\n[[variant.rule]]";
    std::string error = experiment_error(fmt::format("{}\n{} = 1979-05-27\n", heading, key.name));
    bool is_refused = error.find("a date or time") != std::string::npos ||
                      error.find("is no list of tables") != std::string::npos;
    EXPECT_TRUE(is_refused) << heading << " " << key.name << ": " << error;
    std::string misspelt = experiment_error(fmt::format("{}\n{}x = 1\n", heading, key.name));
    EXPECT_NE(misspelt.find(fmt::format("unknown key '{}x'", key.name)), std::string::npos) << misspelt;
  }
}

TEST(ParseExperiment, EveryPrefixIsRefusedOrAnExperiment) {
  std::string text = testing::read_file(testing::source_path("experiments/ffn_norm_bf16.toml"));
  for (size_t length = 0; length < text.size(); length += 3) {
    try {
      parse_experiment(std::string_view(text).substr(0, length), testing::experiment_path(),
                       testing::demo_overrides());
    } catch (const Error& error) {
      for (const std::string& line : split(error.what(), '\n')) EXPECT_EQ(line, printable(line));
    }
  }
}

}  // namespace
}  // namespace fakequant
