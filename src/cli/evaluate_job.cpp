#include "cli/evaluate_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/text.h"
#include "evaluate/control.h"
#include "evaluate/recipe_placement.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

using Kind = EvaluatedVariant::Kind;

}  // namespace

size_t EvaluateJob::Draft::add_source(ModelSource source) {
  plan.sources.push_back(std::move(source));
  return plan.sources.size() - 1;
}

void EvaluateJob::Draft::add(std::optional<size_t> result, PlannedVariant variant) {
  plan.variants.push_back(std::move(variant));
  results.push_back(result);
}

EvaluateJob::EvaluateJob(EvaluateOptions& options, const CommonOptions& common)
    : options_(options), common_(common), inputs_(options, common) {
  if (options_.compares()) {
    plan_comparison();
  } else {
    plan_alone();
  }
}

size_t EvaluateJob::add_result(std::string name, Kind kind, const InputModel& file,
                               const PlannedRecipe* recipe) {
  EvaluatedVariant& result = results.emplace_back();
  result.name = std::move(name);
  result.kind = kind;
  result.model_file = file.name;
  result.training_context = file.planned->training_context();
  result.recipe = recipe;
  return results.size() - 1;
}

// Rounding all weights takes a copy of them, which nobody may have asked for.
void EvaluateJob::drop_control_without_memory(Draft& draft, const std::vector<MemoryNeeds>& needs,
                                              const SessionOptions& options) {
  if (!draft.control || fit_together(draft.plan, {0, *draft.control}, needs, options, free_memory_bytes()))
    return;
  std::string reason = "no memory for a copy of all weights that it rounds";
  if (!options_.control.empty())
    throw Error("--control {}: {}; give --control none", options_.control, reason);
  warn(common_, "there is no control row: " + reason);
  draft.plan.variants.pop_back();
  draft.results.pop_back();
  results.pop_back();
}

// `file` is the model that reads the texts.
void EvaluateJob::add_sessions(Draft& draft, const InputModel& file) {
  std::vector<MemoryNeeds> needs;
  for (const ModelSource& source : draft.plan.sources) needs.push_back(memory_needs(source, options_.decode));
  std::vector<TokenizedText> texts = inputs_.checked().texts(file);
  SessionOptions options{
      .decode = options_.decode, .threads = options_.threads, .logits_bytes = options_.logits_bytes};
  auto group = static_cast<size_t>(std::max(1, options_.decode.batch / options_.decode.context));
  for (const TokenizedText& text : texts)
    options.most_groups = std::max(options.most_groups, (text.chunks + group - 1) / group);
  drop_control_without_memory(draft, needs, options);
  for (SessionPart& part : sessions_that_fit(draft.plan, needs, options, free_memory_bytes())) {
    JobSession& session = sessions.emplace_back();
    for (size_t variant : part.variants) session.results.push_back(draft.results[variant]);
    session.part = std::move(part);
    session.options = options;
    session.texts = texts;
  }
}

void EvaluateJob::plan_alone() {
  ModelOptions options = options_.model;
  options.mapped = true;  // no recipe changes these models
  for (const std::string& name : options_.models) {
    const InputModel& file = inputs_.model(name);
    Draft draft;
    size_t source = draft.add_source(file_source(file, options));
    draft.add(add_result(name, Kind::model, file), {name, source});
    add_sessions(draft, file);
  }
}

// Whether the weights of a baseline that is a model are patched.
bool EvaluateJob::changes_baseline() const {
  return !inputs_.logits_file() && (options_.recipe.given() || options_.control != "none");
}

// A file of logits is no model whose weights could be rounded, and its logits are read as they are needed.
void EvaluateJob::check_options_of_logits_file() const {
  const std::pair<const char*, bool> of_models[] = {
      {"--control", !options_.control.empty() && options_.control != "none"},
      {"--logits-memory", options_.logits_bytes.has_value()}};
  for (const auto& [name, given] : of_models) {
    if (given)
      throw UsageError("{} is for a baseline that is a model, found a file of logits: {}", name,
                       printable(options_.baseline));
  }
}

void EvaluateJob::plan_comparison() {
  Draft main;
  const InputModel& first = inputs_.model(options_.models.front());
  const InputModel* baseline = nullptr;
  if (!inputs_.logits_file()) {
    baseline = options_.baseline.empty() ? &first : &inputs_.model(options_.baseline);
    main.plan.keeps_logits = true;
    ModelOptions options = options_.model;
    options.mapped = !changes_baseline();
    main.add(std::nullopt, {baseline->name, main.add_source(file_source(*baseline, options))});
  } else {
    check_options_of_logits_file();
  }
  if (options_.recipe.given()) {
    add_recipes(main);
  } else {
    add_models(main);
  }
  if (baseline != nullptr && options_.control != "none") {
    if (options_.model.repack) {
      throw UsageError(
          "--repack excludes the control row, for which weights are changed in memory: give --control none");
    }
    add_control(*baseline, main);
  }
  add_sessions(main, first);
  for (Widened& widened : widened_) add_sessions(widened.draft, first);
  if (options_.recipe.seed && !seed_) warn(common_, kSeedUnused);
}

void EvaluateJob::add_models(Draft& main) {
  if (options_.real)
    throw UsageError("--real is for recipes of ggml types: give --recipe, or --tensors and --format");
  ModelOptions options = options_.model;
  // No recipe changes these models. What is timed is held as the baseline is, which the control row may change.
  options.mapped = !options_.text.speed || !changes_baseline();
  for (const std::string& name : options_.models) {
    const InputModel& file = inputs_.model(name);
    bool is_baseline =
        !options_.baseline.empty() && !inputs_.logits_file() && &file == &inputs_.model(options_.baseline);
    size_t source = is_baseline ? 0 : main.add_source(file_source(file, options));
    main.add(add_result(name, Kind::model, file), {name, source});
  }
}

const InputModel& EvaluateJob::recipe_file() const {
  return inputs_.model(options_.models.front());
}

PlannedRecipe& EvaluateJob::plan_recipe(std::string name, Plan plan, const InputModel& file) {
  uint64_t seed = options_.recipe.seed.value_or(kDefaultSeed);
  return recipes_.emplace_back(std::move(name), std::move(plan),
                               RecipeInputs{*file.model, inputs_.importance(), seed}, common_.progress());
}

void EvaluateJob::add_recipes(Draft& main) {
  if (options_.models.size() > 1) {
    throw UsageError(
        "found {} models, wanted one: recipes are carried out on one model in memory; files are compared "
        "with --baseline",
        options_.models.size());
  }
  if (options_.model.repack)
    throw UsageError("--repack excludes recipes: rearranged weights cannot be changed in memory");
  const InputModel& file = recipe_file();
  PlanOptions plan_options{.store = parse_store(options_.recipe.store),
                           .skip_unfit = options_.recipe.skip_unfit};
  // The model itself is the first source where it is the baseline.
  size_t source = 0;
  bool is_baseline =
      main.plan.keeps_logits && (options_.baseline.empty() || &file == &inputs_.model(options_.baseline));
  if (!is_baseline) source = main.add_source(file_source(file, options_.model));
  for (NamedRules& named : named_rules(options_.recipe, *file.model)) {
    Plan plan = make_plan(file.model->tensors(), named.rules, plan_options);
    if (plan.is_stochastic()) seed_ = options_.recipe.seed.value_or(kDefaultSeed);
    PlannedRecipe& recipe = plan_recipe(std::move(named.name), std::move(plan), file);
    check_one_dimensional(recipe, SettingNames{}.store);
    warn_of_plan(common_, *file.model, recipe.plan(), recipe.rounders().without_importance(),
                 options_.recipe.importance);
    size_t result = add_recipe(recipe, source, main);
    if (options_.real) add_real(recipe, result, main);
  }
  bool any_real =
      std::ranges::any_of(results, [](const EvaluatedVariant& result) { return result.real.has_value(); });
  if (options_.real && !any_real)
    throw Error(
        "--real: found no recipe that rounds a matrix to a type of ggml's, wanted one, for example q4_k or "
        "mxfp4_ggml");
}

size_t EvaluateJob::add_recipe(PlannedRecipe& recipe, size_t source, Draft& main) {
  size_t result = add_result(recipe.name(), Kind::recipe, recipe_file(), &recipe);
  ComparedWith whom = options_.baseline.empty() ? ComparedWith::itself : ComparedWith::another;
  RecipePlacement placement = place_recipe(recipe, whom, common_.progress());
  Draft* draft = &main;
  if (placement.baseline_types) {
    Widened& baseline = widened_as(*placement.baseline_types, main);
    results[result].baseline_name = baseline.source.name;
    results[result].widening = baseline.result;
    results[result].storage = placement.storage;
    draft = &baseline.draft;
    source = 0;
  }
  if (!placement.is_patch) source = draft->add_source(rounded_source(recipe, options_.model));
  draft->add(result, {recipe.name(), source, &recipe, placement.is_patch});
  return result;
}

// Storing alone is a row of its own.
EvaluateJob::Widened& EvaluateJob::widened_as(const std::vector<TensorType>& types, Draft& main) {
  for (Widened& known : widened_) {
    if (known.types == types) return known;
  }
  ModelSource source = widened_source(*recipe_file().model, types, options_.model);
  Widened& added = widened_.emplace_back(Widened{types, source});
  added.result = add_result(source.name, Kind::widening, recipe_file());
  main.add(added.result, {source.name, main.add_source(source)});
  added.draft.plan.keeps_logits = true;
  added.draft.add(std::nullopt, {source.name, added.draft.add_source(source)});
  return added;
}

void EvaluateJob::add_real(PlannedRecipe& recipe, size_t fake_result, Draft& main) {
  std::optional<ModelSource> source = really_quantized_source(recipe, options_.model);
  if (!source) {
    warn(common_,
         fmt::format("--real: {} rounds no matrix to a type of ggml's, which alone have kernels (ggml's own "
                     "MX and NV formats are mxfp4_ggml and nvfp4_ggml)",
                     recipe.name()));
    return;
  }
  size_t result = add_result(source->name, Kind::real, recipe_file());
  results[fake_result].real = result;
  if (recipe.changes_types() && options_.baseline.empty())
    results[result].baseline_name = recipe_file().name + " as it is";
  main.add(result, {source->name, main.add_source(*source)});
}

void EvaluateJob::add_control(const InputModel& file, Draft& main) {
  Format format = parse_format(options_.control.empty() ? "bf16" : options_.control);
  std::optional<Control> control = plan_control(*file.model, format);
  if (!control) {
    warn(common_,
         fmt::format("no control row: {} has no tensor that takes {} in the type that it is stored as",
                     printable(file.name), format.name));
    return;
  }
  if (control->plan.is_stochastic()) seed_ = options_.recipe.seed.value_or(kDefaultSeed);
  PlannedRecipe& recipe = plan_recipe(control->name, std::move(control->plan), file);
  main.control = main.plan.variants.size();
  main.add(add_result(recipe.name(), Kind::control, file, &recipe), {recipe.name(), 0, &recipe});
}

}  // namespace fakequant::cli
