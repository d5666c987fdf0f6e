#pragma once
// The models that measurements are made with, in memory: a baseline that stays as long as measurements are of it, its logits, and one
// variant at a time. Knows no measures.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "evaluate/baseline_logits.h"
#include "evaluate/session.h"
#include "experiment/measure_context.h"

namespace fakequant {

class ModelBench {
 public:
  // Loads nothing yet. `threads` may work at the same time. The plan must outlive it.
  ModelBench(const ExperimentPlan& plan, int threads);
  ~ModelBench();
  ModelBench(const ModelBench&) = delete;
  ModelBench& operator=(const ModelBench&) = delete;

  // Puts what the measurement is of into memory: the baseline, which is its model, and its variant where it has one. What is there already
  // stays. Tells of progress as the baseline's while that is loaded.
  //
  //   throws   Error as EvaluationInputs, PlannedRecipe, sessions_that_fit and Session do
  void prepare(MeasureContext& context);

  // Frees everything.
  void clear();

  // These are of the measurement that was prepared last.
  const DecodeOptions& decode() const;
  const Variant& baseline() const;
  SpeedSubject baseline_speed_subject() const;
  const SessionVariant& variant() const;                         // where it has one (checked)
  const PlannedRecipe* recipe() const { return recipe_.get(); }  // of the variant; null where it has none
  const TokenizedText& text(size_t index) const;                 // into ExperimentPlan::texts
  BaselineLogits& logits(size_t text);                           // of the baseline

 private:
  // A model as a baseline: as it is, or unrounded in other types.
  struct BaselineChoice {
    size_t model;
    std::optional<std::vector<TensorType>> types;
    bool operator==(const BaselineChoice&) const = default;
  };

  EvaluationInputs& inputs(size_t baseline);
  const InputModel& input(size_t baseline, size_t model);
  ModelOptions model_options() const;
  void load(const BaselineChoice& choice, MeasureContext& context);
  void share_logits();
  SessionPart fitting(const SessionPlan& plan, const std::vector<MemoryNeeds>& needs,
                      SessionOptions& options) const;
  SessionOptions session_options(const BaselineChoice& choice);
  uint64_t visiting_bytes(size_t baseline, const ModelSource& first);
  void take_variant(size_t index, size_t baseline, MeasureContext& context);
  std::optional<CacheTypes> caches_of(const ExperimentVariant& variant) const;

  const ExperimentPlan& plan_;
  int threads_;
  std::map<size_t, std::unique_ptr<EvaluationInputs>> inputs_;  // by baseline
  // Freed last first: a variant before its recipe and its session, logits before the texts whose they are.
  std::optional<BaselineChoice> loaded_;
  std::unique_ptr<Session> session_;
  std::vector<TokenizedText> texts_;
  std::vector<std::unique_ptr<BaselineLogits>> logits_;  // by text
  std::unique_ptr<PlannedRecipe> recipe_;
  std::unique_ptr<SessionVariant> variant_;
  std::optional<size_t> variant_index_;
};

}  // namespace fakequant
