#pragma once
// What is measured together, planned from headers alone: which models and variants fit in memory at the same time, so that what does
// not is refused before anything is read. Loads no weights.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/model_source.h"
#include "evaluate/planned_recipe.h"
#include "evaluate/setting_names.h"

namespace fakequant {

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
  bool takes_variants =
      false;  // further variants come and go, Session::add(): some may patch the first source
};

struct SessionOptions {
  DecodeOptions decode;    // `threads` is set by the session
  int threads = 1;         // of all decoders together
  size_t most_groups = 1;  // groups of chunks of the longest text: more decoders would wait
  // Groups of chunks whose logits may be kept together, of several texts; 0: most_groups.
  size_t logits_groups = 0;
  // What the baseline's logits may take; nothing: kDefaultLogitsBytes, or a group's where that is more.
  std::optional<uint64_t> logits_bytes = {};
  uint64_t visiting_bytes = 0;  // what the largest of the variants that come and go takes: see needs_of()
  // The most that a session and its variants may take; nothing: what is free. What runs besides is not counted.
  std::optional<uint64_t> memory_bytes = {};
  SettingNames names = {};  // for sentences
};

// What is free and allowed; nothing when neither is known.
std::optional<uint64_t> memory_for(const SessionOptions& options);

inline constexpr uint64_t kDefaultLogitsBytes = uint64_t{1} << 31;

// How a session uses memory.
struct SessionBudget {
  size_t decoders = 1;  // of each model, that work at the same time
  uint64_t logits_bytes =
      0;               // of a stage of a comparison: what the baseline's logits take where they are kept
  uint64_t bytes = 0;  // of all that the session loads, logits included, without visiting variants
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

// A variant that a session takes in for a while: Session::add().
struct VariantRequest {
  std::string name;
  PlannedRecipe* recipe = nullptr;  // null: weights as they are loaded
  // The model that it is; with a recipe, one that holds the recipe's result. Nothing: the session's first source, which the recipe
  // patches.
  std::optional<ModelSource> source = {};
  std::optional<CacheTypes> caches = {};  // other than the session's

  bool is_patch() const { return recipe != nullptr && !source; }
};

// What a variant takes beside a session, in bytes of main memory.
struct VisitingNeeds {
  uint64_t weights = 0;  // its own, or what a patch changes
  uint64_t decoder = 0;  // of each decoder of its own; 0 where it uses those of the session's first source

  uint64_t least() const { return weights + decoder; }
};

// Opens models without their weights. Throws Error as memory_needs does.
VisitingNeeds needs_of(const VariantRequest& request, const ModelSource& first, const DecodeOptions& options);

// How many decoders a visiting variant gets, of `most`: as many as fit in `available` bytes, of which further ones take no more than
// three quarters of what the first leaves. Throws Error when not one fits.
size_t visiting_decoders(const VariantRequest& request, const VisitingNeeds& needs, size_t most,
                         const SessionOptions& options, std::optional<uint64_t> available);

}  // namespace fakequant
