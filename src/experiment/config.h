#pragma once
// The experiment file: what is measured, of which variants, in which order and under which conditions. Read and checked as far as the
// file itself goes; models are not opened. docs/experiments.md describes it for people, docs/experiment.schema.json for editors.

#include <cstdint>
#include <functional>
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

// A model: what it is called, and where its file is.
struct ConfigModel {
  std::string name;  // as in the file, "demo", or as the command line gave it
  std::string path;
  ConfigPlace place;  // line 0 for one of the command line
};

struct ConfigText {
  std::string name;  // as a model's
  std::string path;
  std::optional<size_t> chunks;
  ConfigPlace place;
};

struct ConfigSettings {
  int context = 0;  // 0: as `evaluate` chooses
  int batch = 0;
  int gpu_layers = -1;  // all
  int threads = 0;      // 0: as the command line says
  FlashAttention flash_attention = FlashAttention::automatic;
  TensorType cache_k = TensorType::F16;
  TensorType cache_v = TensorType::F16;
  uint64_t seed = 0;             // of stochastic rounding
  std::string imatrix;           // a path; "" for none
  std::string control = "bf16";  // a format, or "none"
  std::optional<uint64_t> logits_memory_bytes;
  double epsilon = 1e-12;  // of relative differences
};

// What is done where a variant names layers that a model does not have.
enum class MissingLayers { error, skip };

// One variant, axes expanded. It has rules, or a model, or neither and a cache type.
struct ConfigVariant {
  std::string name;         // unique in the experiment
  std::vector<Rule> rules;  // first match wins; none: weights as they are
  std::string recipe_file;  // as written; "" where rules stand in the experiment file
  Store store = Store::keep;
  bool skip_unfit = false;
  MissingLayers missing_layers = MissingLayers::error;
  std::optional<TensorType> cache_k;  // nothing: as the settings
  std::optional<TensorType> cache_v;
  std::optional<ConfigModel> model;  // another file to compare with the baseline
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
  std::vector<Condition>
      conditions;  // on all variants of earlier stages: all must hold, or the stage is left out
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
  // What variants are compared with, and made from: each model unchanged. At least one; where the file names a baseline it is
  // that, and the file's models are variants of the first stage.
  std::vector<ConfigModel> models;
  std::vector<ConfigText> texts;
  ConfigSettings settings;
  ConfigMeasures measures;
  std::vector<ConfigStage>
      stages;  // at least one; with a baseline the first begins with the models as they are
  std::vector<ConfigCriterion> criteria;
  ConfigLimits limits;
  ConfigOutput output;
  std::string path;    // of the experiment file, for messages
  std::string source;  // its text
};

// Paths that "demo" stands for. Each is asked for only where it is needed, and throws Error where the file is not installed.
struct DemoFiles {
  std::function<std::string()> model;
  std::function<std::string()> text;
};

// What the command line puts in place of the file's, and what it knows of the machine.
struct ConfigOverrides {
  std::vector<std::string> models;  // relative to the working directory
  std::vector<std::string> texts;
  std::optional<size_t> chunks;
  int threads = 0;  // 0: the file's; else those that speed is measured with
  DemoFiles demo;
};

// The stage of a file that has none.
inline constexpr std::string_view kOnlyStage = "all";

// The most variants that an experiment may have.
inline constexpr size_t kMaxVariants = 10'000;

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
