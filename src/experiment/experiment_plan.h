#pragma once
// The plan of an experiment: its variants on its models, with ids, and every measurement with what determines it. Made from headers of
// models and contents of files, without llama.cpp; the same for the same inputs, so that runner and worker each make it.

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "experiment/config.h"
#include "experiment/watched_files.h"
#include "gguf/shards.h"
#include "record/run_folder.h"
#include "select/plan.h"
#include "tensors/importance.h"

namespace fakequant {

// Of files by path: files_key of a model's parts, file_key of others.
using FileHashes = std::map<std::string, std::string>;

struct PlannedModel {
  std::string id;    // "m1"
  std::string name;  // as the experiment gives it
  Model model;
  std::string hash;  // files_key of its parts
};

struct PlannedText {
  std::string id;  // "t1"
  std::string name;
  std::string path;
  std::string hash;
  uint64_t bytes;
  std::optional<size_t> chunks;
};

// A variant on a model.
struct ExperimentVariant {
  std::string id;  // "v1"
  std::string name;
  std::string stage;
  size_t model;                 // the one that is changed, or that `file` is compared with
  const ConfigVariant* config;  // null for the control
  std::optional<Plan> plan;     // of its rules
  std::optional<size_t> file;   // another model, into ExperimentPlan::models
  std::string skipped_because;  // "" where it can be measured
  std::string what;             // "ffn_norm of layers 0-2 in bf16:rtz"
};

// Something worth knowing of a plan: a rule that decides nothing, tensors left out. Ids are "" where it is of none.
struct PlanWarning {
  std::string text;
  std::string model;
  std::string variant;
};

struct Measurement {
  MeasurementId id;
  std::optional<size_t> model;
  std::optional<size_t> variant;
  std::optional<size_t> text;
};

// Is moved, never copied: variants refer to its configuration.
struct ExperimentPlan {
  ExperimentConfig config;
  std::deque<PlannedModel> models;  // those of the experiment first, then files of variants
  std::vector<PlannedText> texts;
  ImportanceMatrix importance;
  std::string importance_hash;  // "" without one
  std::vector<ExperimentVariant> variants;
  // In the order in which they are made: stage by stage, in each model by model. A model is inspected first; the baseline's perplexity
  // stands before the first divergence. Of each variant: difference, load, divergence on each text, generation, speed; of the
  // control not load and speed. Variants that are the same in all that counts have the same keys.
  std::vector<Measurement> measurements;
  std::vector<PlanWarning> warnings;
  FileHashes hashes;   // of every file that was read, for whoever plans the same experiment again
  WatchedFiles files;  // those files, as they were before they were read
};

// Opens models and reads every file once, for its hash; those in `known` are not read.
//
//   throws   Error, one line "path:line: ..." for each problem, all at once: models that cannot be read, layers and tensors that they do
//            not have, formats that do not fit, vocabularies that differ
ExperimentPlan plan_experiment(ExperimentConfig config, Progress::Mode progress,
                               const FileHashes& known = {});

// How many tokens of context a model was trained on; nothing where its file does not say.
std::optional<uint64_t> training_context(const Model& model);

// The `experiment` record of docs/journal.md.
Json experiment_record(const ExperimentPlan& plan);

// What a variant takes; nothing where it does not say (a variant that rounds nothing has no tensors) or is not known without reading
// weights (what stores auto and narrow choose).
struct VariantBits {
  std::optional<BitsPerWeight> chosen;  // the chosen tensors in their formats
  std::optional<BitsPerWeight> model;   // the model with those
  std::optional<BitsPerWeight> file;    // as the file stores it
};
VariantBits bits_of(const ExperimentPlan& plan, const ExperimentVariant& variant);

}  // namespace fakequant
