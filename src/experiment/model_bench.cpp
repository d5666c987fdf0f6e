#include "experiment/model_bench.h"

#include <algorithm>

#include "base/error.h"
#include "engine/prompt.h"
#include "evaluate/recipe_placement.h"
#include "experiment/model_uses.h"

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

// Whether memory suffices for a baseline with room for the largest of its variants.
bool has_room(const ModelSource& baseline, const std::vector<TokenizedText>& texts,
              const SessionOptions& options) {
  try {
    check_memory(baseline, texts, options);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Does some work; whether it threw no Error. A new sentence of one is added to `problems`.
template <typename Work>
bool succeeds(std::vector<std::string>& problems, const Work& work) {
  try {
    work();
    return true;
  } catch (const Error& problem) {
    if (std::ranges::find(problems, problem.what()) == problems.end()) problems.emplace_back(problem.what());
    return false;
  }
}

}  // namespace

ModelBench::ModelBench(const ExperimentPlan& plan, int threads, BrokenModels broken)
    : plan_(plan), threads_(threads), broken_(std::move(broken)) {}

ModelBench::~ModelBench() = default;

void ModelBench::clear() {
  variant_index_.reset();
  variant_.reset();
  recipe_.reset();
  session_.reset();
  loaded_.reset();
}

ModelOptions ModelBench::model_options() const {
  ModelOptions options;
  options.gpu_layers = plan_.config.settings.gpu_layers;
  return options;
}

InputOptions ModelBench::input_options() const {
  const ConfigSettings& settings = plan_.config.settings;
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
  return options;
}

// Of a baseline with what it is compared with, but for what is broken: that fails by itself.
EvaluationInputs& ModelBench::inputs(size_t baseline) {
  std::unique_ptr<EvaluationInputs>& inputs = inputs_[baseline];
  if (inputs != nullptr) return *inputs;
  if (broken_.contains(baseline)) throw Error("{}", broken_.at(baseline));
  std::vector<InputModel> models;
  for (size_t model : models_with(plan_, baseline)) {
    if (!broken_.contains(model)) models.emplace_back(plan_.models[model].name, plan_.models[model].model);
  }
  InputOptions options = input_options();
  options.decode.context = settled_context(plan_, baseline);
  inputs = std::make_unique<EvaluationInputs>(std::move(models), input_texts(plan_), options);
  return *inputs;
}

std::optional<std::string> ModelBench::problem_of_chat(const InputModel& model) const {
  const ConfigMeasures& measures = plan_.config.measures;
  if (!measures.chat || measures.prompts.empty()) return std::nullopt;
  try {
    chat_prompt(*model.planned, measures.prompts.front().prompt);
    return std::nullopt;
  } catch (const Error& problem) {
    return problem.what();
  }
}

std::vector<std::string> ModelBench::problems(size_t model) {
  std::vector<std::string> problems;
  bool opens = succeeds(problems, [&] {
    std::vector<InputModel> alone;
    alone.emplace_back(plan_.models[model].name, plan_.models[model].model);
    EvaluationInputs(std::move(alone), {}, input_options());
  });
  if (!opens || !is_baseline(plan_, model)) return problems;
  if (!succeeds(problems, [&] { inputs(model); })) return problems;
  const InputModel& opened = input(model, model);
  std::vector<TokenizedText> texts;
  for (size_t i = 0; i < plan_.texts.size(); ++i)
    succeeds(problems, [&] { texts.push_back(inputs(model).text(opened, i)); });
  if (std::optional<std::string> problem = problem_of_chat(opened)) problems.push_back(*problem);
  succeeds(problems,
           [&] { check_memory(file_source(opened, model_options()), texts, session_options(model)); });
  return problems;
}

const InputModel& ModelBench::input(size_t baseline, size_t model) {
  if (broken_.contains(model)) throw Error("{}", broken_.at(model));
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
    if (variant.file && broken_.contains(*variant.file)) continue;
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

SessionOptions ModelBench::session_options(size_t baseline) {
  SessionOptions options;
  options.decode = inputs(baseline).decode();
  options.threads = threads_;
  options.logits_bytes = plan_.config.settings.logits_memory_bytes;
  options.memory_bytes = plan_.config.limits.memory_bytes;
  options.names = kNames;
  return options;
}

void ModelBench::load(const BaselineChoice& choice, MeasureContext& context) {
  if (loaded_ == choice) return;
  clear();
  context.progress({0, "loading", true});
  const InputModel& model = input(choice.model, choice.model);
  std::vector<TokenizedText> texts = inputs(choice.model).texts(model);
  ModelSource source = choice.types
                           ? widened_source(plan_.models[choice.model].model, *choice.types, model_options())
                           : file_source(model, model_options());
  SessionOptions options = session_options(choice.model);
  options.visiting_bytes = visiting_bytes(choice.model, source);
  // Where there is no room for the largest variant, that one fails and not all of them.
  if (!has_room(source, texts, options)) options.visiting_bytes = 0;
  session_ = std::make_unique<BaselineSession>(source, std::move(texts), options, Progress::Mode::silent);
  loaded_ = choice;
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

std::vector<std::string> ModelBench::context_warnings() const {
  FQ_CHECK(loaded_.has_value());
  return inputs_.at(loaded_->model)->context_warnings();
}

BaselineSession& ModelBench::session() {
  FQ_CHECK(session_ != nullptr);
  return *session_;
}

const SessionVariant& ModelBench::variant() const {
  FQ_CHECK(variant_ != nullptr);
  return *variant_;
}

}  // namespace fakequant
