#include "experiment/model_bench.h"

#include <algorithm>

#include "base/error.h"
#include "base/free_memory.h"
#include "evaluate/recipe_placement.h"

namespace fakequant {

namespace {

// As an experiment file calls its settings.
constexpr SettingNames kNames{.text = "text",
                              .context = "context",
                              .batch = "batch",
                              .chunks = "chunks",
                              .prompts = "prompts",
                              .logits_memory = "logits_memory",
                              .smaller_caches = "cache_k and cache_v of q8_0",
                              .store = "store"};

std::vector<InputText> input_texts(const ExperimentPlan& plan) {
  std::vector<InputText> texts;
  for (const PlannedText& text : plan.texts) texts.push_back({text.name, read_text(text.path), text.chunks});
  return texts;
}

// No more than this is changed in a loaded model: a store other than `keep` is taken for the widest.
uint64_t patch_bytes(const ExperimentPlan& plan, const ExperimentVariant& variant) {
  uint64_t bytes = 0;
  for (const PlannedTensor& planned : variant.plan->tensors) {
    const TensorInfo& info = *plan.models[variant.model].model.tensors()[planned.tensor_index].info;
    bytes += planned.store == Store::keep ? info.data_bytes
                                          : sizeof(float) * static_cast<uint64_t>(info.value_count);
  }
  return bytes;
}

std::optional<uint64_t> free_bytes(const ConfigLimits& limits) {
  std::optional<uint64_t> free = free_memory_bytes();
  if (!limits.memory_bytes) return free;
  return std::min(free.value_or(*limits.memory_bytes), *limits.memory_bytes);
}

}  // namespace

ModelBench::ModelBench(const ExperimentPlan& plan, int threads) : plan_(plan), threads_(threads) {}

ModelBench::~ModelBench() = default;

void ModelBench::clear() {
  variant_index_.reset();
  variant_.reset();
  recipe_.reset();
  logits_.clear();
  texts_.clear();
  session_.reset();
  loaded_.reset();
}

ModelOptions ModelBench::model_options() const {
  ModelOptions options;
  options.gpu_layers = plan_.config.settings.gpu_layers;
  return options;
}

EvaluationInputs& ModelBench::inputs(size_t baseline) {
  std::unique_ptr<EvaluationInputs>& inputs = inputs_[baseline];
  if (inputs != nullptr) return *inputs;
  const ConfigSettings& settings = plan_.config.settings;
  std::vector<InputModel> models;
  for (size_t model : models_compared_with(plan_, baseline))
    models.emplace_back(plan_.models[model].name, plan_.models[model].model);
  InputOptions options;
  options.model = model_options();
  options.decode.context = settings.context;
  options.decode.batch = settings.batch;
  options.decode.flash_attention = settings.flash_attention;
  options.decode.cache_k = settings.cache_k;
  options.decode.cache_v = settings.cache_v;
  options.compared = true;
  options.makes_texts = !plan_.config.measures.prompts.empty();
  options.names = kNames;
  inputs = std::make_unique<EvaluationInputs>(std::move(models), input_texts(plan_), options);
  return *inputs;
}

const InputModel& ModelBench::input(size_t baseline, size_t model) {
  const std::vector<InputModel>& models = inputs(baseline).models();
  auto found = std::ranges::find(models, &plan_.models[model].model, &InputModel::model);
  FQ_CHECK(found != models.end());
  return *found;
}

std::optional<CacheTypes> ModelBench::caches_of(const ExperimentVariant& variant) const {
  if (variant.config == nullptr || (!variant.config->cache_k && !variant.config->cache_v))
    return std::nullopt;
  const ConfigSettings& settings = plan_.config.settings;
  return CacheTypes{variant.config->cache_k.value_or(settings.cache_k),
                    variant.config->cache_v.value_or(settings.cache_v)};
}

// What the largest of the baseline's variants takes beside it.
uint64_t ModelBench::visiting_bytes(size_t baseline, const ModelSource& first) {
  uint64_t most = 0;
  for (const ExperimentVariant& variant : plan_.variants) {
    // A control takes a copy of all weights, which nobody may have asked for: it has what is left.
    bool is_control = variant.config == nullptr;
    if (is_control || !variant.skipped_because.empty() || variant.model != baseline) continue;
    VariantRequest request{.name = variant.name, .caches = caches_of(variant)};
    if (variant.file) request.source = file_source(input(baseline, *variant.file), model_options());
    uint64_t bytes = variant.plan ? patch_bytes(plan_, variant) : 0;
    try {
      if (request.source || request.caches)
        bytes += needs_of(request, first, inputs(baseline).decode()).least();
    } catch (const Error&) {
      continue;  // what llama.cpp cannot run fails in its turn, by itself
    }
    most = std::max(most, bytes);
  }
  return most;
}

SessionOptions ModelBench::session_options(const BaselineChoice& choice) {
  SessionOptions options;
  options.decode = inputs(choice.model).decode();
  options.threads = threads_;
  options.logits_bytes = plan_.config.settings.logits_memory_bytes;
  options.names = kNames;
  auto group = static_cast<size_t>(std::max(1, options.decode.batch / options.decode.context));
  for (const TokenizedText& text : texts_)
    options.most_groups = std::max(options.most_groups, (text.chunks + group - 1) / group);
  return options;
}

// With room for the largest variant; where there is not that much, that variant fails and not all of them.
SessionPart ModelBench::fitting(const SessionPlan& plan, const std::vector<MemoryNeeds>& needs,
                                SessionOptions& options) const {
  std::optional<uint64_t> free = free_bytes(plan_.config.limits);
  try {
    return {plan, {0}, session_budget(plan, needs, options, free)};
  } catch (const Error&) {
    options.visiting_bytes = 0;
    return {plan, {0}, session_budget(plan, needs, options, free)};
  }
}

void ModelBench::load(const BaselineChoice& choice, MeasureContext& context) {
  if (loaded_ == choice) return;
  clear();
  context.progress({0, "loading", true});
  const InputModel& model = input(choice.model, choice.model);
  texts_ = inputs(choice.model).texts(model);
  ModelSource source = choice.types
                           ? widened_source(plan_.models[choice.model].model, *choice.types, model_options())
                           : file_source(model, model_options());
  SessionOptions options = session_options(choice);
  options.visiting_bytes = visiting_bytes(choice.model, source);
  std::vector<MemoryNeeds> needs{memory_needs(source, options.decode)};
  SessionPlan plan;
  plan.variants.push_back({source.name, 0});
  plan.sources.push_back(std::move(source));
  plan.keeps_logits = true;
  plan.takes_variants = true;
  session_ = std::make_unique<Session>(fitting(plan, needs, options), options, Progress::Mode::silent);
  loaded_ = choice;
  share_logits();
}

void ModelBench::share_logits() {
  const Variant& first = session_->variants().front();
  const ChunkDecoder& reader = *first.running->decoders.front();
  std::vector<uint64_t> wanted;
  for (const TokenizedText& text : texts_) wanted.push_back(logits_bytes_of(reader, text.chunks));
  std::vector<uint64_t> bytes =
      share_logits_bytes(session_->logits_bytes(), wanted, reader.group_logits_bytes());
  for (size_t i = 0; i < texts_.size(); ++i) {
    logits_.push_back(std::make_unique<BaselineLogits>(
        Baseline{&first, nullptr}, reader, ComparisonText{texts_[i].tokens, texts_[i].chunks}, bytes[i]));
  }
}

// Takes the variant in, with the baseline that it needs.
void ModelBench::take_variant(size_t index, size_t baseline, MeasureContext& context) {
  const ExperimentVariant& variant = plan_.variants[index];
  variant_index_.reset();
  variant_.reset();
  recipe_.reset();
  BaselineChoice choice{baseline, std::nullopt};
  VariantRequest request{.name = variant.name, .caches = caches_of(variant)};
  std::unique_ptr<PlannedRecipe> recipe;
  if (variant.plan && !variant.file) {
    const Model& model = plan_.models[variant.model].model;
    recipe = std::make_unique<PlannedRecipe>(
        variant.name, *variant.plan, RecipeInputs{model, plan_.importance, plan_.config.settings.seed},
        Progress::Mode::silent);
    check_one_dimensional(*recipe, kNames.store);
    ComparedWith whom = variant.model == baseline ? ComparedWith::itself : ComparedWith::another;
    RecipePlacement placement = place_recipe(*recipe, whom, Progress::Mode::silent);
    choice.types = placement.baseline_types;
    request.recipe = recipe.get();
    if (!placement.is_patch || whom == ComparedWith::another)
      request.source = rounded_source(*recipe, model_options());
  } else if (variant.file.value_or(variant.model) != baseline) {
    request.source = file_source(input(baseline, variant.file.value_or(variant.model)), model_options());
  }
  load(choice, context);
  context.progress({0, "", false});
  recipe_ = std::move(recipe);
  variant_ = session_->add(request);
  variant_index_ = index;
}

void ModelBench::prepare(MeasureContext& context) {
  FQ_CHECK(context.measurement.model.has_value());
  size_t baseline = *context.measurement.model;
  if (context.measurement.variant) {
    if (variant_index_ != context.measurement.variant)
      take_variant(*context.measurement.variant, baseline, context);
  } else {
    load({baseline, std::nullopt}, context);
  }
  inputs(baseline).check_unchanged();
}

const DecodeOptions& ModelBench::decode() const {
  FQ_CHECK(loaded_.has_value());
  return inputs_.at(loaded_->model)->decode();
}

const Variant& ModelBench::baseline() const {
  FQ_CHECK(session_ != nullptr);
  return session_->variants().front();
}

SpeedSubject ModelBench::baseline_speed_subject() const {
  FQ_CHECK(session_ != nullptr);
  return session_->speed_subjects().front();
}

const SessionVariant& ModelBench::variant() const {
  FQ_CHECK(variant_ != nullptr);
  return *variant_;
}

const TokenizedText& ModelBench::text(size_t index) const {
  FQ_CHECK(index < texts_.size());
  return texts_[index];
}

BaselineLogits& ModelBench::logits(size_t text) {
  FQ_CHECK(text < logits_.size());
  return *logits_[text];
}

}  // namespace fakequant
