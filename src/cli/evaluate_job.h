#pragma once
// What evaluate measures: variants of models, in sessions that fit in memory one after the other. Everything that can be
// refused is refused here, before weights are read.

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/evaluate_inputs.h"
#include "cli/evaluate_report.h"
#include "evaluate/session_plan.h"

namespace fakequant::cli {

// Models and variants that are in memory together, the texts as they read them, and where results go.
struct JobSession {
  SessionPart part;
  SessionOptions options;
  std::vector<TokenizedText> texts;
  // Of each variant of the part, into EvaluateJob::results; nothing for its baseline, which has none of its own.
  std::vector<std::optional<size_t>> results;
};

// Everything that stays alive while models are evaluated.
class EvaluateJob {
 public:
  EvaluateJob(EvaluateOptions& options, const CommonOptions& common);
  EvaluateJob(const EvaluateJob&) = delete;
  EvaluateJob& operator=(const EvaluateJob&) = delete;

  const EvaluateInputs& inputs() const { return inputs_; }
  std::optional<uint64_t> seed() const { return seed_; }  // nothing when no recipe rounds stochastically

  std::vector<JobSession> sessions;
  std::vector<EvaluatedVariant>
      results;  // variants in the order in which they were asked for; then what stands beside them
  std::vector<TextMeasurements> made;  // of a comparison: for each session its texts and speed

 private:
  // A session in the making: `results` of each variant of the plan.
  struct Draft {
    SessionPlan plan;
    std::vector<std::optional<size_t>> results;

    std::optional<size_t> control = {};  // which variant, the last one, rounds all weights

    size_t add_source(ModelSource source);
    void add(std::optional<size_t> result, PlannedVariant variant);
  };

  // The model stored as some recipes store it, unrounded: what those are compared with.
  struct Widened {
    std::vector<TensorType> types;
    ModelSource source;
    size_t result = 0;
    Draft draft = {};
  };

  void plan_alone();
  void plan_comparison();
  bool changes_baseline() const;
  void check_options_of_logits_file() const;
  void add_models(Draft& main);
  void add_recipes(Draft& main);
  size_t add_recipe(PlannedRecipe& recipe, size_t source, Draft& main);
  Widened& widened_as(const std::vector<TensorType>& types, Draft& main);
  void add_real(PlannedRecipe& recipe, size_t fake_result, Draft& main);
  void add_control(const InputModel& file, Draft& main);
  const InputModel& recipe_file() const;
  PlannedRecipe& plan_recipe(std::string name, Plan plan, const InputModel& file);
  size_t add_result(std::string name, EvaluatedVariant::Kind kind, const InputModel& file,
                    const PlannedRecipe* recipe = nullptr);
  void drop_control_without_memory(Draft& draft, const std::vector<MemoryNeeds>& needs,
                                   const SessionOptions& options);
  void add_sessions(Draft& draft, const InputModel& file);

  EvaluateOptions& options_;
  const CommonOptions& common_;
  EvaluateInputs inputs_;
  std::optional<uint64_t> seed_;
  std::deque<PlannedRecipe> recipes_;
  std::deque<Widened> widened_;
};

}  // namespace fakequant::cli
