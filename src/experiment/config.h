#pragma once
// The experiment file: what is measured, of which variants, in which order and under which conditions. Read and checked as far as the
// file itself goes; models are not opened. docs/experiments.md describes it for people, docs/experiment.schema.json for editors.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/decode_options.h"
#include "evaluate/prompts.h"
#include "experiment/metric.h"
#include "select/rule.h"

namespace fakequant {

// A place in the file, for problems that only a model shows.
struct ConfigPlace {
  size_t line = 0;
};

// Stands for the model and the text that come with the program.
inline constexpr std::string_view kDemoName = "demo";

struct ConfigText {
  std::string file;  // as in the file, "demo", or as the command line gave it
  std::optional<size_t> chunks;
  ConfigPlace place;
};

struct ConfigSettings {
  int context = 0;  // 0: as `evaluate` chooses
  int batch = 0;
  int gpu_layers = -1;
  int threads = 0;  // 0: as the command line says
  FlashAttention flash_attention = FlashAttention::automatic;
  TensorType cache_k = TensorType::F16;
  TensorType cache_v = TensorType::F16;
  uint64_t seed = 0;       // of stochastic rounding; settles to the commands' default
  std::string imatrix;     // "" for none
  std::string control;     // a format, or "none"; default bf16
  std::optional<uint64_t> logits_memory_bytes;
  double epsilon = 1e-12;  // of relative differences
};

// What is done where a variant names layers that a model does not have.
enum class MissingLayers { error, skip };

// One variant, axes expanded. No rules, no cache types and no model: the baseline itself, which is refused.
struct ConfigVariant {
  std::string name;           // unique in the experiment
  std::vector<Rule> rules;    // first match wins; none: weights as they are
  std::string recipe_file;    // "" where rules stand in the experiment file
  Store store = Store::keep;
  bool skip_unfit = false;
  MissingLayers missing_layers = MissingLayers::error;
  std::optional<TensorType> cache_k;  // nothing: as the settings
  std::optional<TensorType> cache_v;
  std::string model;  // another file to compare with the baseline; "" for the experiment's model
  // As written, of variants of one rule: for axes of charts.
  std::string tensors;
  std::string layers;
  std::string format;
  ConfigPlace place;
};

struct ConfigCriterion {
  std::string name;
  std::optional<Condition> condition;  // nothing: a person judges
  std::vector<std::string> stages;     // that it is for; none: all
  bool stops = false;                  // where it fails, the experiment ends (early stop)
  ConfigPlace place;
};

struct ConfigStage {
  std::string name;                     // unique
  std::vector<ConfigVariant> variants;  // at least one
  std::vector<Condition> conditions;    // on all variants of earlier stages: all must hold, or the stage is left out
  ConfigPlace place;
};

struct ConfigMeasures {
  bool inspect = true;
  bool difference = true;
  bool load = true;
  bool divergence = true;  // where there are texts
  bool per_chunk = false;
  std::vector<PromptRun> prompts;  // none: no texts are made
  bool chat = false;
  bool speed = false;
  size_t speed_repetitions = 10;
};

struct ConfigLimits {
  std::optional<double> seconds_per_measurement;
  std::optional<double> seconds;  // of a run: then it ends cleanly
  std::optional<uint64_t> memory_bytes;
};

struct ConfigOutput {
  bool files = false;                // also write each variant's GGUF into the run's folder
  std::vector<std::string> reports;  // md, html, csv, json: after the run
};

struct ExperimentConfig {
  std::string title;
  std::string description;
  std::vector<std::string> models;  // at least one; paths are relative to the experiment file
  std::string baseline;             // a model that all are compared with; "" for each model itself
  std::vector<ConfigText> texts;
  ConfigSettings settings;
  ConfigMeasures measures;
  std::vector<ConfigStage> stages;  // at least one
  std::vector<ConfigCriterion> criteria;
  ConfigLimits limits;
  ConfigOutput output;
  std::string path;    // of the experiment file, for messages
  std::string source;  // its text
};

// What the command line puts in place of the file's.
struct ConfigOverrides {
  std::vector<std::string> models;  // relative to the working directory
  std::vector<std::string> texts;
  std::optional<size_t> chunks;
};

// Reads an experiment file.
//
//   throws   Error, one line "path:line: ..." for each problem, all of them at once: no TOML, unknown keys and metrics (with near names),
//            wrong types, values out of range, formats, selections and stores that do not parse, files that are not there, names
//            twice, stages and criteria that name stages that are not there or come later
ExperimentConfig load_experiment(const std::string& path, const ConfigOverrides& overrides = {});

// The same for text in memory; `path` is for messages and for finding files beside it.
ExperimentConfig parse_experiment(std::string_view text, const std::string& path,
                                  const ConfigOverrides& overrides = {});

}  // namespace fakequant
