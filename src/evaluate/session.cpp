#include "evaluate/session.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

MemoryNeeds memory_needs(const ModelSource& source, const DecodeOptions& options) {
  LoadedModel model = source.load(LoadedModel::Weights::planned);
  ChunkDecoder decoder(model, options);
  ChunkDecoder::Memory memory = decoder.memory();
  return {memory.weights, memory.working, decoder.group_logits_bytes()};
}

SessionBudget session_budget(const std::vector<MemoryNeeds>& needs, uint64_t patches,
                             const SessionOptions& options, std::optional<uint64_t> free,
                             const std::string& place) {
  FQ_CHECK(!needs.empty());
  bool compares = needs.size() > 1 || patches > 0;
  uint64_t group_logits = needs.front().group_logits;
  SessionBudget budget;
  budget.decoders = std::max<size_t>(1, std::min(options.most_groups, static_cast<size_t>(options.threads)));
  if (compares) {
    uint64_t wanted = options.logits_bytes.value_or(std::max(kDefaultLogitsBytes, group_logits));
    if (wanted < group_logits) {
      throw Error(
          "--logits-memory: found {}, wanted at least {} for the logits of {} tokens (-b); give more, or "
          "a smaller -b",
          format_bytes(wanted), format_bytes(group_logits), options.decode.batch);
    }
    budget.decoders = std::min<size_t>(budget.decoders, wanted / group_logits);
    // No more than the longest text has.
    budget.logits_bytes = std::min<uint64_t>(wanted / group_logits, options.most_groups) * group_logits;
  }
  if (!free) return budget;
  uint64_t fixed = patches + budget.logits_bytes;
  uint64_t per_decoder = 0;
  for (const MemoryNeeds& model : needs) {
    fixed += model.weights;
    per_decoder += model.decoder;
  }
  if (fixed + per_decoder > *free && !options.logits_bytes && budget.logits_bytes > group_logits) {
    fixed -= budget.logits_bytes - group_logits;
    budget.logits_bytes = group_logits;
    budget.decoders = 1;
  }
  if (fixed + per_decoder > *free) {
    throw Error(
        "{}: needs {} of memory with -c {} -b {}, found {} free; a smaller -b, -ctk q8_0 -ctv q8_0, or a "
        "smaller model need less",
        printable(place), format_bytes(fixed + per_decoder), options.decode.context, options.decode.batch,
        format_bytes(*free));
  }
  // Further ones take no more than three quarters of what the first leaves.
  uint64_t spare = (*free - fixed - per_decoder) / 4 * 3;
  budget.decoders =
      std::min(budget.decoders, 1 + static_cast<size_t>(spare / std::max<uint64_t>(1, per_decoder)));
  return budget;
}

Session::Session(const SessionPlan& plan, const SessionOptions& options, const SessionBudget& budget,
                 Progress::Mode progress)
    : progress_(progress), logits_bytes_(budget.logits_bytes) {
  FQ_CHECK(!plan.variants.empty());
  for (const ModelSource& source : plan.sources) load(source, options, budget.decoders);
  for (const PlannedVariant& variant : plan.variants) add_variant(variant);
}

void Session::load(const ModelSource& source, const SessionOptions& options, size_t decoders) {
  loaded_.push_back(std::make_unique<Loaded>(source.load(LoadedModel::Weights::loaded)));
  RunningModel& running = loaded_.back()->running;
  size_t count = running.model.uses_gpu() ? 1 : decoders;
  DecodeOptions decode = options.decode;
  decode.threads = std::max(1, options.threads / static_cast<int>(count));
  for (size_t i = 0; i < count; ++i)
    running.decoders.push_back(std::make_unique<ChunkDecoder>(running.model, decode));
}

void Session::add_variant(const PlannedVariant& planned) {
  Loaded& loaded = *loaded_[planned.source];
  Variant variant{planned.name, &loaded.running};
  reports_.emplace_back();
  if (planned.recipe != nullptr) {
    if (!loaded.weights) loaded.weights.emplace(loaded.running.model);
    std::vector<WeightChange> changes =
        planned.recipe->changes(*loaded.weights, reports_.back().emplace(), progress_);
    patches_.push_back(std::make_unique<WeightPatch>(*loaded.weights, std::move(changes)));
    variant.patch = patches_.back().get();
    patched_.emplace_back(planned.recipe, &*loaded.weights);
  }
  variants_.push_back(std::move(variant));
}

void Session::check_restored() const {
  for (const auto& [recipe, weights] : patched_) recipe->check_restored(*weights, progress_);
}

}  // namespace fakequant
