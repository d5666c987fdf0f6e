#include "evaluate/session.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

MemoryNeeds memory_needs(const ModelSource& source, const DecodeOptions& options) {
  std::optional<LoadedModel> opened;
  if (source.planned == nullptr) opened.emplace(source.load(LoadedModel::Weights::planned));
  ChunkDecoder decoder(opened ? *opened : *source.planned, options);
  ChunkDecoder::Memory memory = decoder.memory();
  return {memory.weights, memory.working, decoder.group_logits_bytes()};
}

namespace {

// One decoder of each model.
uint64_t decoder_bytes(std::span<const MemoryNeeds> needs) {
  uint64_t bytes = 0;
  for (const MemoryNeeds& model : needs) bytes += model.decoder;
  return bytes;
}

// What a session takes with one decoder of each model and `logits_bytes` for a baseline.
uint64_t least_bytes(const SessionPlan& plan, std::span<const MemoryNeeds> needs, uint64_t logits_bytes) {
  uint64_t bytes = decoder_bytes(needs) + (plan.keeps_logits ? logits_bytes : 0);
  for (const MemoryNeeds& model : needs) bytes += model.weights;
  for (const PlannedVariant& variant : plan.variants)
    bytes += variant.recipe != nullptr && variant.is_patch ? variant.recipe->most_changed_bytes() : 0;
  return bytes;
}

// What a stage's logits take of `allowed` bytes: whole groups, no more than the longest text has.
uint64_t logits_of_groups(uint64_t allowed, uint64_t group_logits, const SessionOptions& options) {
  return std::min<uint64_t>(allowed / group_logits, options.most_groups) * group_logits;
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
    throw Error(
        "--logits-memory: found {}, wanted at least {}: the logits of {} tokens (-b); give more, or a "
        "smaller -b",
        format_bytes(wanted), format_bytes(group_logits), options.decode.batch);
  }
  budget.logits_bytes = logits_of_groups(wanted, group_logits, options);
  budget.decoders = std::min<size_t>(budget.decoders, budget.logits_bytes / group_logits);
}

}  // namespace

SessionBudget session_budget(const SessionPlan& plan, std::span<const MemoryNeeds> needs,
                             const SessionOptions& options, std::optional<uint64_t> free) {
  FQ_CHECK(!needs.empty() && needs.size() == plan.sources.size());
  uint64_t group_logits = needs.front().group_logits;
  SessionBudget budget;
  budget.decoders = std::max<size_t>(1, std::min(options.most_groups, static_cast<size_t>(options.threads)));
  plan_logits(plan, group_logits, options, budget);
  if (!free) return budget;
  if (!options.logits_bytes && least_bytes(plan, needs, budget.logits_bytes) > *free) {
    // Half of what is left, so that more than one decoder has room.
    uint64_t left = *free - std::min(*free, least_bytes(plan, needs, 0));
    budget.logits_bytes = std::max(group_logits, logits_of_groups(left / 2, group_logits, options));
    budget.decoders = std::min<size_t>(budget.decoders, budget.logits_bytes / group_logits);
  }
  uint64_t needed = least_bytes(plan, needs, budget.logits_bytes);
  if (needed > *free) {
    throw Error(
        "{}: needs {} of memory with -c {} -b {}, found {} free; a smaller -b, -ctk q8_0 -ctv q8_0, or a "
        "smaller model need less",
        printable(plan.sources.front().name), format_bytes(needed), options.decode.context,
        options.decode.batch, format_bytes(*free));
  }
  // Further ones take no more than three quarters of what the first leaves.
  uint64_t spare = (*free - needed) / 4 * 3;
  size_t further = static_cast<size_t>(spare / std::max<uint64_t>(1, decoder_bytes(needs)));
  budget.decoders = std::min(budget.decoders, 1 + further);
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
  return !free || least_bytes(selection.plan, selection.needs, logits) <= *free;
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

namespace {

// Threads of one decoder wait for each other, spinning, after every operation: that pays where an operation is long, and
// never for more threads than processors.
int threads_of_a_decoder(const LoadedModel& model, int threads, size_t decoders) {
  constexpr uint64_t kLongOperations = uint64_t{256} << 20;  // bytes of weights
  if (model.weight_bytes() < kLongOperations) return 1;
  int processors = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::clamp(threads / static_cast<int>(decoders), 1, processors);
}

}  // namespace

Session::Session(const SessionPart& part, const SessionOptions& options, Progress::Mode progress)
    : progress_(progress), logits_bytes_(part.budget.logits_bytes) {
  for (size_t i = 0; i < part.plan.sources.size(); ++i) load(part, i, options);
  for (const std::unique_ptr<Loaded>& loaded : loaded_) make_decoders(loaded->running, options, part.budget);
  for (const PlannedVariant& variant : part.plan.variants) add_variant(variant);
}

void Session::load(const SessionPart& part, size_t source, const SessionOptions& options) {
  loaded_.push_back(std::make_unique<Loaded>(part.plan.sources[source].load(LoadedModel::Weights::loaded)));
  RunningModel& running = loaded_.back()->running;
  bool is_patched = std::ranges::any_of(part.plan.variants, [&](const PlannedVariant& variant) {
    return variant.source == source && variant.recipe != nullptr;
  });
  // Before there are decoders: finding weights takes memory like one of them for a while.
  if (is_patched) loaded_.back()->weights.emplace(running.model, options.decode.context);
}

void Session::make_decoders(RunningModel& running, const SessionOptions& options,
                            const SessionBudget& budget) {
  size_t count = running.model.uses_gpu() ? 1 : budget.decoders;
  DecodeOptions decode = options.decode;
  decode.threads = threads_of_a_decoder(running.model, options.threads, count);
  for (size_t i = 0; i < count; ++i)
    running.decoders.push_back(std::make_unique<ChunkDecoder>(running.model, decode));
}

void Session::add_variant(const PlannedVariant& planned) {
  Loaded& loaded = *loaded_[planned.source];
  Variant variant{planned.name, &loaded.running};
  reports_.emplace_back();
  if (planned.recipe != nullptr) {
    PatchReport& report = reports_.back().emplace();
    report.unused = planned.recipe->unused(*loaded.weights);
    if (planned.is_patch) {
      patches_.push_back(std::make_unique<WeightPatch>(
          *loaded.weights, planned.recipe->changes(*loaded.weights, report, progress_)));
      variant.patch = patches_.back().get();
      patched_.emplace_back(planned.recipe, &*loaded.weights);
    }
  }
  variants_.push_back(std::move(variant));
}

void Session::check_restored() const {
  for (const auto& [recipe, weights] : patched_) recipe->check_restored(*weights, progress_);
}

}  // namespace fakequant
