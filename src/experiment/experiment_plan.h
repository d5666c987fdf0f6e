#pragma once
// The plan of an experiment: its variants on its models, with ids, and every measurement with what determines it. Made from headers of
// models and contents of files, without llama.cpp; the same for the same inputs, so that runner and worker each make it.

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "experiment/config.h"
#include "gguf/shards.h"
#include "record/run_folder.h"
#include "select/plan.h"
#include "tensors/importance.h"

namespace fakequant {

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

struct Measurement {
  MeasurementId id;
  std::optional<size_t> model;
  std::optional<size_t> variant;
  std::optional<size_t> text;
};

struct ExperimentPlan {
  ExperimentConfig config;
  std::deque<PlannedModel> models;  // those of the experiment first, then baselines and files of variants
  std::vector<PlannedText> texts;
  ImportanceMatrix importance;
  std::vector<ExperimentVariant> variants;
  std::vector<Measurement> measurements;  // in the order in which they are made
};

// Opens models and reads every file once, for its hash.
//
//   throws   Error, one line "path:line: ..." for each problem, all at once: models that cannot be read, layers and tensors that they do not
//            have, formats that do not fit
ExperimentPlan plan_experiment(ExperimentConfig config, Progress::Mode progress);

// The `experiment` record of docs/journal.md.
Json experiment_record(const ExperimentPlan& plan);

}  // namespace fakequant
