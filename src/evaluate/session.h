#pragma once
// What is measured together: models and their variants, in memory at the same time. Planned first from headers alone, so
// that what does not fit is refused before anything is read. Knows no measures.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/planned_recipe.h"
#include "evaluate/variant.h"

namespace fakequant {

// A model that can be loaded: a file, or one that exists nowhere.
struct ModelSource {
  std::string name;  // as the user gave it, or what it is
  std::function<LoadedModel(LoadedModel::Weights)> load;
  bool is_file = true;  // it exists
  const LoadedModel* planned =
      nullptr;  // the same opened without its weights, where it is at hand; not owned
};

// What running a model takes, in bytes of main memory.
struct MemoryNeeds {
  uint64_t weights = 0;
  uint64_t decoder = 0;       // of each decoder: cache, computation, logits of a group
  uint64_t group_logits = 0;  // of the baseline of a comparison: the logits of one group of chunks, copied
};

// Opens the model without its weights. Throws Error when llama.cpp cannot run it with these options.
MemoryNeeds memory_needs(const ModelSource& source, const DecodeOptions& options);

struct PlannedVariant {
  std::string name;
  size_t source;                    // into SessionPlan::sources
  PlannedRecipe* recipe = nullptr;  // null: as it is loaded
  bool is_patch = true;             // the recipe is carried out in memory; false: the source holds its result
};

struct SessionPlan {
  std::vector<ModelSource> sources;
  std::vector<PlannedVariant> variants;
  bool keeps_logits = false;  // the first variant is a baseline, whose logits the others are compared with
};

struct SessionOptions {
  DecodeOptions decode;    // `threads` is set by the session
  int threads = 1;         // of all decoders together
  size_t most_groups = 1;  // groups of chunks of the longest text: more decoders would wait
  // What the baseline's logits may take; nothing: kDefaultLogitsBytes, or a group's where that is more.
  std::optional<uint64_t> logits_bytes;
};

inline constexpr uint64_t kDefaultLogitsBytes = uint64_t{1} << 31;

// How a session uses memory.
struct SessionBudget {
  size_t decoders = 1;  // of each model, that work at the same time
  uint64_t logits_bytes =
      0;  // of a stage of a comparison: what the baseline's logits take where they are kept
};

// How many decoders can work at the same time. One thread each is faster than many for one: threads that share a
// decoder wait for each other after every operation, spinning. Only memory limits them, and a graphics processor wants one.
//
//   needs    of the plan's sources
//   free     what the system has left; nothing when it does not say
//   throws   Error when not even one decoder of each model fits, or when options.logits_bytes is below a group's
SessionBudget session_budget(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                             const SessionOptions& options, std::optional<uint64_t> free);

// A session that does a part of a plan.
struct SessionPart {
  SessionPlan plan;
  std::vector<size_t> variants;  // which of the whole plan's
  SessionBudget budget;
};

// Whether one session can hold these variants of the plan (the baseline is one of them where it keeps logits), with one
// decoder of each model and the least that logits take.
bool fit_together(const SessionPlan& plan, const std::vector<size_t>& variants,
                  std::span<const MemoryNeeds> needs, const SessionOptions& options,
                  std::optional<uint64_t> free);

// Splits a plan into sessions that fit in memory one after the other, as few as the order of the variants allows; with
// keeps_logits each begins with the baseline. Throws Error as session_budget does for a variant that does not fit alone.
std::vector<SessionPart> sessions_that_fit(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                                           const SessionOptions& options, std::optional<uint64_t> free);

// Models and patches in memory. Stays where it is: variants refer to it.
class Session {
 public:
  // Loads every source and rounds what recipes change. Throws Error as loading, PlannedRecipe::changes and decoders do.
  Session(const SessionPart& part, const SessionOptions& options, Progress::Mode progress);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::span<const Variant> variants() const { return variants_; }  // as planned
  uint64_t logits_bytes() const { return logits_bytes_; }
  // Of each variant of the plan; nothing for those without a recipe. Where it was not carried out in memory, only the unused.
  const std::vector<std::optional<PatchReport>>& reports() const { return reports_; }

  // Compares every weight that a recipe changed with its file. Throws Error when one is not what it was.
  void check_restored() const;

 private:
  struct Loaded {
    explicit Loaded(LoadedModel model) : running(std::move(model)) {}
    RunningModel running;
    std::optional<ModelWeights> weights;  // of models that recipes are for
  };

  void load(const SessionPart& part, size_t source, const SessionOptions& options);
  static void make_decoders(RunningModel& running, const SessionOptions& options,
                            const SessionBudget& budget);
  void add_variant(const PlannedVariant& planned);

  Progress::Mode progress_;
  uint64_t logits_bytes_;
  std::vector<std::unique_ptr<Loaded>> loaded_;  // as the sources
  std::vector<std::unique_ptr<WeightPatch>> patches_;
  std::vector<Variant> variants_;
  std::vector<std::optional<PatchReport>> reports_;
  std::vector<std::pair<const PlannedRecipe*, const ModelWeights*>> patched_;
};

}  // namespace fakequant
