#pragma once
// The models that measurements are made with, in memory: a baseline that stays as long as measurements are of it, what it says of texts and
// prompts, and one variant at a time. Knows no measures.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/baseline_session.h"
#include "experiment/measure_context.h"

namespace fakequant {

// Models that cannot be opened in this process without ending it (into ExperimentPlan::models), and why.
using BrokenModels = std::map<size_t, std::string>;

class ModelBench {
 public:
  // Loads nothing yet. `threads` may work at the same time. The plan must outlive it.
  ModelBench(const ExperimentPlan& plan, int threads, BrokenModels broken = {});
  ~ModelBench();
  ModelBench(const ModelBench&) = delete;
  ModelBench& operator=(const ModelBench&) = delete;

  // Why a model of models_that_run() cannot do what the plan wants, a sentence each: llama.cpp refuses it, it predicts no text, the context
  // is too long for it; of a baseline also texts that are too short, a chat template that is missing, and memory that does not suffice
  // for it alone. Reads no weights.
  std::vector<std::string> problems(size_t model);

  // Puts what the measurement is of into memory: the baseline, which is its model, and its variant where it has one. What is there already
  // stays. Tells of progress as the baseline's while that is loaded.
  //
  //   throws   Error as EvaluationInputs, PlannedRecipe and BaselineSession do, and for a broken model
  void prepare(MeasureContext& context);

  // Frees everything.
  void clear();

  // These are of the measurement that was prepared last.
  const DecodeOptions& decode() const;
  BaselineSession& session();
  std::vector<std::string> context_warnings() const;             // EvaluationInputs::context_warnings()
  const SessionVariant& variant() const;                         // where it has one (checked)
  const PlannedRecipe* recipe() const { return recipe_.get(); }  // of the variant; null where it has none

 private:
  // A model as a baseline: as it is, or unrounded in other types.
  struct BaselineChoice {
    size_t model;
    std::optional<std::vector<TensorType>> types;
    bool operator==(const BaselineChoice&) const = default;
  };

  EvaluationInputs& inputs(size_t baseline);
  InputOptions input_options() const;
  const InputModel& input(size_t baseline, size_t model);
  ModelOptions model_options() const;
  std::optional<std::string> problem_of_chat(const InputModel& model) const;
  void load(const BaselineChoice& choice, MeasureContext& context);
  SessionOptions session_options(size_t baseline);
  uint64_t visiting_bytes(size_t baseline, const ModelSource& first);
  void take_variant(size_t index, size_t baseline, MeasureContext& context);
  std::optional<CacheTypes> caches_of(const ExperimentVariant& variant) const;

  const ExperimentPlan& plan_;
  int threads_;
  BrokenModels broken_;
  std::map<size_t, std::unique_ptr<EvaluationInputs>> inputs_;  // by baseline
  // Freed last first: a variant before its recipe and its session.
  std::optional<BaselineChoice> loaded_;
  std::unique_ptr<BaselineSession> session_;
  std::unique_ptr<PlannedRecipe> recipe_;
  std::unique_ptr<SessionVariant> variant_;
  std::optional<size_t> variant_index_;
};

}  // namespace fakequant
