#include "evaluate/session.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/free_memory.h"

namespace fakequant {

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

void SessionVariant::carry_out(PlannedRecipe* recipe, bool is_patch, LoadedSource& loaded,
                               Progress::Mode progress) {
  if (recipe == nullptr) return;
  report_.emplace();
  report_->unused = recipe->unused(*loaded.weights);
  if (!is_patch) return;
  progress_ = progress;
  patch_ =
      std::make_unique<WeightPatch>(*loaded.weights, recipe->changes(*loaded.weights, *report_, progress));
  variant_.patch = patch_.get();
  patched_by_ = recipe;
  patched_ = &*loaded.weights;
}

void SessionVariant::check_restored() const {
  if (patched_by_ != nullptr) patched_by_->check_restored(*patched_, progress_);
}

Session::Session(const SessionPart& part, const SessionOptions& options, Progress::Mode progress)
    : progress_(progress),
      options_(options),
      budget_(part.budget),
      takes_variants_(part.plan.takes_variants),
      first_(part.plan.sources.front()) {
  for (size_t i = 0; i < part.plan.sources.size(); ++i) {
    bool has_recipes = std::ranges::any_of(part.plan.variants, [&](const PlannedVariant& variant) {
      return variant.source == i && variant.recipe != nullptr;
    });
    loaded_.push_back(load(part.plan.sources[i], has_recipes || (i == 0 && takes_variants_)));
  }
  for (const std::unique_ptr<LoadedSource>& loaded : loaded_)
    make_decoders(loaded->running, budget_.decoders);
  for (const PlannedVariant& variant : part.plan.variants)
    add_planned(variant, part.plan.sources[variant.source]);
}

std::unique_ptr<LoadedSource> Session::load(const ModelSource& source, bool has_recipes) const {
  auto loaded = std::make_unique<LoadedSource>(source.load(LoadedModel::Weights::loaded));
  // Before there are decoders: finding weights takes memory like one of them for a while.
  if (has_recipes) loaded->weights.emplace(loaded->running.model, options_.decode.context);
  return loaded;
}

void Session::make_decoders(RunningModel& running, size_t count) const {
  if (running.model.uses_gpu()) count = 1;
  DecodeOptions decode = with_caches(options_.decode, running.caches);
  decode.threads = threads_of_a_decoder(running.model, options_.threads, count);
  for (size_t i = 0; i < count; ++i)
    running.decoders.push_back(std::make_unique<ChunkDecoder>(running.model, decode));
}

namespace {

// How a variant is loaded once more, of one that is a file as it is.
std::function<LoadedModel()> loader_of(const ModelSource& source, const PlannedRecipe* recipe) {
  if (recipe != nullptr || !source.is_file) return {};
  return [load = source.load] { return load(LoadedModel::Weights::loaded); };
}

}  // namespace

void Session::add_planned(const PlannedVariant& planned, const ModelSource& source) {
  LoadedSource& loaded = *loaded_[planned.source];
  std::unique_ptr<SessionVariant> added(new SessionVariant);
  added->variant_ = {planned.name, &loaded.running};
  added->load_ = loader_of(source, planned.recipe);
  added->carry_out(planned.recipe, planned.is_patch, loaded, progress_);
  variants_.push_back(added->variant_);
  reports_.push_back(added->report_);
  planned_.push_back(std::move(added));
}

// What a variant may take beside the session: what was set aside for it is there in any case.
std::optional<uint64_t> Session::memory_beside() const {
  std::optional<uint64_t> beside = free_memory_bytes();
  // The logits may be in memory already, or still to come.
  if (beside) *beside -= std::min(*beside, budget_.logits_bytes);
  if (options_.memory_bytes) {
    uint64_t left = *options_.memory_bytes - std::min(*options_.memory_bytes, budget_.bytes);
    beside = std::min(left, beside.value_or(left));
  }
  if (beside) *beside = std::max(*beside, options_.visiting_bytes);
  return beside;
}

std::unique_ptr<SessionVariant> Session::add(const VariantRequest& request) {
  FQ_CHECK(takes_variants_);
  VisitingNeeds needs = needs_of(request, first_, options_.decode);
  size_t decoders = visiting_decoders(request, needs, budget_.decoders, options_, memory_beside());
  std::unique_ptr<SessionVariant> added(new SessionVariant);
  LoadedSource* loaded = loaded_.front().get();
  if (request.source) {
    added->own_ = load(*request.source, request.recipe != nullptr);
    loaded = added->own_.get();
    loaded->running.caches = request.caches;
  }
  RunningModel* running = &loaded->running;
  if (request.caches && !request.source) {
    added->own_caches_ = std::make_unique<RunningModel>(*running, *request.caches);
    running = added->own_caches_.get();
  }
  if (running->decoders.empty()) make_decoders(*running, decoders);
  added->variant_ = {request.name, running};
  added->load_ = loader_of(request.source.value_or(first_), request.recipe);
  added->carry_out(request.recipe, request.is_patch(), *loaded, progress_);
  return added;
}

std::vector<SpeedSubject> Session::speed_subjects() const {
  std::vector<SpeedSubject> subjects;
  for (const std::unique_ptr<SessionVariant>& variant : planned_)
    subjects.push_back(variant->speed_subject());
  return subjects;
}

void Session::check_restored() const {
  for (const std::unique_ptr<SessionVariant>& variant : planned_) variant->check_restored();
}

}  // namespace fakequant
