#include "evaluate/session_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/text.h"

namespace fakequant {

std::optional<uint64_t> memory_for(const SessionOptions& options) {
  std::optional<uint64_t> free = free_memory_bytes();
  if (!options.memory_bytes) return free;
  return std::min(*options.memory_bytes, free.value_or(*options.memory_bytes));
}

namespace {

// One decoder of each model.
uint64_t decoder_bytes(std::span<const MemoryNeeds> needs) {
  uint64_t bytes = 0;
  for (const MemoryNeeds& model : needs) bytes += model.decoder;
  return bytes;
}

// What a session takes with one decoder of each model, `logits_bytes` for a baseline and one visiting variant.
uint64_t least_bytes(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                     const SessionOptions& options, uint64_t logits_bytes) {
  uint64_t bytes = decoder_bytes(needs) + options.visiting_bytes + (plan.keeps_logits ? logits_bytes : 0);
  for (const MemoryNeeds& model : needs) bytes += model.weights;
  for (const PlannedVariant& variant : plan.variants)
    bytes += variant.recipe != nullptr && variant.is_patch ? variant.recipe->most_changed_bytes() : 0;
  return bytes;
}

// "-c 512 -b 2048", in the caller's words.
std::string sizes_text(const SessionOptions& options) {
  return fmt::format("{} {} {} {}", options.names.context, options.decode.context, options.names.batch,
                     options.decode.batch);
}

// What takes less memory.
std::string advice(const SessionOptions& options) {
  return fmt::format("a smaller {}, {}, or a smaller model need less", options.names.batch,
                     options.names.smaller_caches);
}

// "1.5 GiB free", or that it is not the system that has no more.
std::string room_text(uint64_t bytes, const SessionOptions& options) {
  bool is_limit = options.memory_bytes && *options.memory_bytes == bytes;
  return format_bytes(bytes) + (is_limit ? " allowed" : " free");
}

// How many decoders of `each` bytes, at most `most`, where one fits and leaves `rest`: further ones take no more than three
// quarters of it.
size_t with_further(size_t most, uint64_t rest, uint64_t each) {
  auto further = static_cast<size_t>(rest / 4 * 3 / std::max<uint64_t>(1, each));
  return std::min(most, 1 + further);
}

// What a stage's logits take of `allowed` bytes: whole groups, no more than there are.
uint64_t logits_of_groups(uint64_t allowed, uint64_t group_logits, const SessionOptions& options) {
  size_t most = std::max(options.most_groups, options.logits_groups);
  return std::min<uint64_t>(allowed / group_logits, most) * group_logits;
}

// Puts the logits of a comparison into the budget, and as many decoders as they allow.
void plan_logits(const SessionPlan& plan, uint64_t group_logits, const SessionOptions& options,
                 SessionBudget& budget) {
  if (!plan.keeps_logits) {
    budget.logits_bytes = budget.decoders * group_logits;
    return;
  }
  uint64_t wanted = options.logits_bytes.value_or(std::max(kDefaultLogitsBytes, group_logits));
  if (wanted < group_logits) {
    const SettingNames& names = options.names;
    throw Error("{}: found {}, wanted at least {}: the logits of {} tokens ({}); give more, or a smaller {}",
                names.logits_memory, format_bytes(wanted), format_bytes(group_logits), options.decode.batch,
                names.batch, names.batch);
  }
  budget.logits_bytes = logits_of_groups(wanted, group_logits, options);
  budget.decoders = std::min<size_t>(budget.decoders, budget.logits_bytes / group_logits);
}

// Makes of a budget what fits: fewer logits where nobody said how many, fewer decoders. Throws Error where one decoder does not.
void fit_budget(const SessionPlan& plan, std::span<const MemoryNeeds> needs, const SessionOptions& options,
                uint64_t free, SessionBudget& budget) {
  uint64_t group_logits = needs.front().group_logits;
  if (!options.logits_bytes && least_bytes(plan, needs, options, budget.logits_bytes) > free) {
    // Half of what is left, so that more than one decoder has room.
    uint64_t left = free - std::min(free, least_bytes(plan, needs, options, 0));
    budget.logits_bytes = std::max(group_logits, logits_of_groups(left / 2, group_logits, options));
    budget.decoders = std::min<size_t>(budget.decoders, budget.logits_bytes / group_logits);
  }
  uint64_t needed = least_bytes(plan, needs, options, budget.logits_bytes);
  if (needed > free) {
    throw Error("{}: needs {} of memory with {}, found {}; {}", printable(plan.sources.front().name),
                format_bytes(needed), sizes_text(options), room_text(free, options), advice(options));
  }
  budget.decoders = with_further(budget.decoders, free - needed, decoder_bytes(needs));
}

}  // namespace

SessionBudget session_budget(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                             const SessionOptions& options, std::optional<uint64_t> free) {
  FQ_CHECK(!needs.empty() && needs.size() == plan.sources.size());
  uint64_t group_logits = needs.front().group_logits;
  SessionBudget budget;
  budget.decoders = std::max<size_t>(1, std::min(options.most_groups, static_cast<size_t>(options.threads)));
  plan_logits(plan, group_logits, options, budget);
  uint64_t others = least_bytes(plan, needs, options, 0) - options.visiting_bytes;
  if (free) fit_budget(plan, needs, options, *free, budget);
  budget.bytes =
      others + (budget.decoders - 1) * decoder_bytes(needs) + (plan.keeps_logits ? budget.logits_bytes : 0);
  return budget;
}

namespace {

// A plan with only some of its variants, and the sources that those take.
struct Selection {
  SessionPlan plan;
  std::vector<MemoryNeeds> needs;
};

Selection select(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                 const std::vector<size_t>& variants) {
  Selection result;
  result.plan.keeps_logits = plan.keeps_logits;
  result.plan.takes_variants = plan.takes_variants;
  std::vector<std::optional<size_t>> places(plan.sources.size());
  for (size_t index : variants) {
    PlannedVariant variant = plan.variants[index];
    std::optional<size_t>& place = places[variant.source];
    if (!place) {
      place = result.plan.sources.size();
      result.plan.sources.push_back(plan.sources[variant.source]);
      result.needs.push_back(needs[variant.source]);
    }
    variant.source = *place;
    result.plan.variants.push_back(std::move(variant));
  }
  return result;
}

}  // namespace

bool fit_together(const SessionPlan& plan, const std::vector<size_t>& variants,
                  std::span<const MemoryNeeds> needs, const SessionOptions& options,
                  std::optional<uint64_t> free) {
  uint64_t group_logits = needs.front().group_logits;
  uint64_t logits = logits_of_groups(options.logits_bytes.value_or(group_logits), group_logits, options);
  Selection selection = select(plan, needs, variants);
  return !free || least_bytes(selection.plan, selection.needs, options, logits) <= *free;
}

std::vector<SessionPart> sessions_that_fit(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                                           const SessionOptions& options, std::optional<uint64_t> free) {
  std::vector<std::vector<size_t>> parts;
  std::vector<size_t> always;  // in every part
  if (plan.keeps_logits) always.push_back(0);
  for (size_t i = always.size(); i < plan.variants.size(); ++i) {
    if (!parts.empty()) {
      parts.back().push_back(i);
      if (fit_together(plan, parts.back(), needs, options, free)) continue;
      parts.back().pop_back();
    }
    parts.push_back(always);
    parts.back().push_back(i);
  }
  std::vector<SessionPart> sessions;
  for (std::vector<size_t>& variants : parts) {
    Selection selection = select(plan, needs, variants);
    SessionBudget budget = session_budget(selection.plan, selection.needs, options, free);
    sessions.push_back({std::move(selection.plan), std::move(variants), budget});
  }
  return sessions;
}

VisitingNeeds needs_of(const VariantRequest& request, const ModelSource& first,
                       const DecodeOptions& options) {
  VisitingNeeds needs;
  if (request.source || request.caches) {
    MemoryNeeds own = memory_needs(request.source.value_or(first), with_caches(options, request.caches));
    needs.decoder = own.decoder;
    if (request.source) needs.weights = own.weights;
  }
  if (request.is_patch()) needs.weights += request.recipe->most_changed_bytes();
  return needs;
}

size_t visiting_decoders(const VariantRequest& request, const VisitingNeeds& needs, size_t most,
                         const SessionOptions& options, std::optional<uint64_t> available) {
  if (!available) return most;
  if (needs.least() > *available) {
    throw Error("{}: needs {} of memory beside its baseline with {}, found {}; {}", printable(request.name),
                format_bytes(needs.least()), sizes_text(options), room_text(*available, options),
                advice(options));
  }
  return with_further(most, *available - needs.least(), needs.decoder);
}

}  // namespace fakequant
