#pragma once
// What is measured together, in memory: models and their variants, which stay as long as the session does or come and go. Knows no
// measures.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/session_plan.h"
#include "evaluate/throughput.h"
#include "evaluate/variant.h"

namespace fakequant {

// A source in memory.
struct LoadedSource {
  explicit LoadedSource(LoadedModel model) : running(std::move(model)) {}

  RunningModel running;
  std::optional<ModelWeights> weights;  // of models that recipes are for
};

// A variant in memory, with what it takes beside the session's sources: a patch, decoders with other caches, or a model of its own.
// Frees all of it in the end; must not outlive the session, and is not applied then.
class SessionVariant {
 public:
  SessionVariant(const SessionVariant&) = delete;
  SessionVariant& operator=(const SessionVariant&) = delete;

  const Variant& variant() const { return variant_; }
  // Nothing without a recipe. Where the recipe was not carried out in memory, only what is unused.
  const std::optional<PatchReport>& report() const { return report_; }
  // What times it: loading is timed of a file as it is.
  SpeedSubject speed_subject() const { return {variant_, load_}; }

  // Compares every weight that its recipe changed with the file. Throws Error when one is not what it was.
  void check_restored() const;

 private:
  friend class Session;
  SessionVariant() = default;
  void carry_out(PlannedRecipe* recipe, bool is_patch, LoadedSource& loaded, Progress::Mode progress);

  // Freed last first: a patch before the weights that it changes.
  std::unique_ptr<LoadedSource> own_;
  std::unique_ptr<RunningModel> own_caches_;
  std::unique_ptr<WeightPatch> patch_;
  const PlannedRecipe* patched_by_ = nullptr;
  const ModelWeights* patched_ = nullptr;
  Progress::Mode progress_ = Progress::Mode::silent;
  std::function<LoadedModel()> load_;
  std::optional<PatchReport> report_;
  Variant variant_{"", nullptr};
};

// Models and patches in memory. Stays where it is: variants refer to it.
class Session {
 public:
  // Loads every source and rounds what recipes change. Throws Error as loading, PlannedRecipe::changes and decoders do.
  Session(const SessionPart& part, const SessionOptions& options, Progress::Mode progress);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The planned ones, in their order.
  std::span<const Variant> variants() const { return variants_; }
  uint64_t logits_bytes() const { return budget_.logits_bytes; }
  // Of each planned variant, as SessionVariant::report().
  const std::vector<std::optional<PatchReport>>& reports() const { return reports_; }
  std::vector<SpeedSubject> speed_subjects() const;

  // Takes in a further variant until the result is destroyed: rounds what its recipe changes, makes decoders for its caches, loads
  // its model. Of a plan that takes variants (checked). Whoever measures one of its weights' variants applies no other meanwhile.
  //
  //   throws   Error where memory does not suffice: options.visiting_bytes were set aside; more is taken of what is free beyond
  //            the logits. As loading, PlannedRecipe::changes and decoders do. The session is as it was then
  //
  // The same variant added again gives the same numbers to the last bit.
  std::unique_ptr<SessionVariant> add(const VariantRequest& request);

  // Compares every weight that a planned variant's recipe changed with its file. Throws Error when one is not what it was.
  void check_restored() const;

 private:
  std::unique_ptr<LoadedSource> load(const ModelSource& source, bool has_recipes) const;
  void make_decoders(RunningModel& running, size_t count) const;
  std::optional<uint64_t> memory_beside() const;
  void add_planned(const PlannedVariant& planned, const ModelSource& source);

  Progress::Mode progress_;
  SessionOptions options_;
  SessionBudget budget_;
  bool takes_variants_;
  ModelSource first_;
  std::vector<std::unique_ptr<LoadedSource>> loaded_;  // as the sources
  std::vector<std::unique_ptr<SessionVariant>> planned_;
  std::vector<Variant> variants_;
  std::vector<std::optional<PatchReport>> reports_;
};

}  // namespace fakequant
