#include "cli/evaluate_job.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/text.h"
#include "evaluate/control.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

using Kind = EvaluatedVariant::Kind;

// A model that exists nowhere; `make` gives it again each time it is loaded.
ModelSource virtual_source(std::string name, const ModelOptions& options,
                           std::function<std::unique_ptr<VirtualFile>()> make) {
  auto load = [make = std::move(make), options](LoadedModel::Weights weights) {
    std::unique_ptr<VirtualFile> file = make();
    return LoadedModel::load(*file, options, weights);
  };
  return {std::move(name), load, false};
}

// "3 tensors stored as F32, 1 tensor stored as F16": what differs from the model's own types.
std::string type_changes(const Model& model, const std::vector<TensorType>& types) {
  std::vector<std::string> parts;
  for (const TypeFacts& facts : all_tensor_types()) {
    size_t count = 0;
    for (size_t i = 0; i < types.size(); ++i)
      count += types[i] == facts.type && types[i] != model.tensors()[i].info->type ? 1 : 0;
    if (count > 0) parts.push_back(fmt::format("{} stored as {}", counted(count, "tensor"), facts.name));
  }
  return join(parts, ", ");
}

// llama.cpp ends the process when its kernels meet such tensors.
void check_one_dimensional(const Model& model, const PlannedRecipe& recipe) {
  for (const PlannedTensor& planned : recipe.plan().tensors) {
    const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
    TensorType type = recipe.types()[planned.tensor_index];
    if (info.shape.size() > 1 || type == TensorType::F32 || type == info.type) continue;
    throw Error(
        "{}: --store would put '{}' into {}, wanted F32 for a tensor of one dimension: llama.cpp's kernels "
        "take no other; give --store keep or auto",
        recipe.name(), printable(info.name), name_of(type));
  }
}

}  // namespace

size_t EvaluateJob::Draft::add_source(ModelSource source) {
  plan.sources.push_back(std::move(source));
  return plan.sources.size() - 1;
}

void EvaluateJob::Draft::add(size_t result, PlannedVariant variant) {
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

size_t EvaluateJob::add_result(std::string name, Kind kind, const InputFile& file,
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
void EvaluateJob::add_sessions(Draft& draft, const InputFile& file) {
  std::vector<MemoryNeeds> needs;
  for (const ModelSource& source : draft.plan.sources) needs.push_back(memory_needs(source, options_.decode));
  std::vector<TokenizedText> texts = inputs_.texts(file);
  SessionOptions options{options_.decode, options_.threads, 1, options_.logits_bytes};
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
    const InputFile& file = inputs_.file(name);
    Draft draft;
    size_t source = draft.add_source(file.source(options));
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
  const InputFile& first = inputs_.file(options_.models.front());
  const InputFile* baseline = nullptr;
  if (!inputs_.logits_file()) {
    baseline = options_.baseline.empty() ? &first : &inputs_.file(options_.baseline);
    main.plan.keeps_logits = true;
    ModelOptions options = options_.model;
    options.mapped = !changes_baseline();
    main.add(kNoResult, {baseline->name, main.add_source(baseline->source(options))});
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
    const InputFile& file = inputs_.file(name);
    bool is_baseline =
        !options_.baseline.empty() && !inputs_.logits_file() && &file == &inputs_.file(options_.baseline);
    size_t source = is_baseline ? 0 : main.add_source(file.source(options));
    main.add(add_result(name, Kind::model, file), {name, source});
  }
}

PlannedRecipe& EvaluateJob::plan_recipe(std::string name, Plan plan, const InputFile& file) {
  uint64_t seed = options_.recipe.seed.value_or(kDefaultSeed);
  return recipes_.emplace_back(std::move(name), std::move(plan),
                               RecipeInputs{file.model, inputs_.importance(), seed}, common_.progress());
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
  const InputFile& file = inputs_.file(options_.models.front());
  PlanOptions plan_options{.store = parse_store(options_.recipe.store),
                           .skip_unfit = options_.recipe.skip_unfit};
  // The model itself is the first source where it is the baseline.
  size_t source = 0;
  bool is_baseline =
      main.plan.keeps_logits && (options_.baseline.empty() || &file == &inputs_.file(options_.baseline));
  if (!is_baseline) source = main.add_source(file.source(options_.model));
  for (NamedRules& named : named_rules(options_.recipe, file.model)) {
    Plan plan = make_plan(file.model.tensors(), named.rules, plan_options);
    if (is_stochastic(plan)) seed_ = options_.recipe.seed.value_or(kDefaultSeed);
    PlannedRecipe& recipe = plan_recipe(std::move(named.name), std::move(plan), file);
    check_one_dimensional(file.model, recipe);
    warn_of_plan(common_, file.model, recipe.plan(), recipe.rounders().without_importance(),
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
  const InputFile& file = inputs_.file(options_.models.front());
  size_t result = add_result(recipe.name(), Kind::recipe, file, &recipe);
  if (!recipe.changes_types()) {
    main.add(result, {recipe.name(), source, &recipe});
  } else if (options_.baseline.empty()) {
    add_widened_recipe(recipe, result, main);
  } else {
    add_rounded(recipe, result, main);
  }
  return result;
}

// The recipe's result is loaded: no model in memory has its types.
void EvaluateJob::add_rounded(PlannedRecipe& recipe, size_t result, Draft& draft) {
  size_t source =
      draft.add_source(virtual_source(recipe.name(), options_.model, [&recipe] { return recipe.rounded(); }));
  draft.add(result, {recipe.name(), source, &recipe, false});
}

// Storing alone is a row of its own.
EvaluateJob::Widened& EvaluateJob::widened_as(std::vector<TensorType> types, Draft& main) {
  for (Widened& known : widened_) {
    if (known.types == types) return known;
  }
  const InputFile& file = inputs_.file(options_.models.front());
  Widened& added = widened_.emplace_back();
  added.types = std::move(types);
  added.name = "unrounded, " + type_changes(file.model, added.types);
  added.source = virtual_source(added.name, options_.model,
                                [&file, &added] { return widened(file.model, added.types); });
  added.result = add_result(added.name, Kind::widening, file);
  main.add(added.result, {added.name, main.add_source(added.source)});
  added.draft.plan.keeps_logits = true;
  added.draft.add(kNoResult, {added.name, added.draft.add_source(added.source)});
  return added;
}

// The baseline is the model stored alike and unrounded.
void EvaluateJob::add_widened_recipe(PlannedRecipe& recipe, size_t result, Draft& main) {
  Widened& baseline = widened_as(recipe.baseline_types(common_.progress()), main);
  results[result].baseline_name = baseline.name;
  results[result].widening = baseline.result;
  if (baseline.types == recipe.types()) {
    baseline.draft.add(result, {recipe.name(), 0, &recipe});
  } else {
    results[result].storage = type_changes(inputs_.file(options_.models.front()).model, recipe.types());
    add_rounded(recipe, result, baseline.draft);
  }
}

void EvaluateJob::add_real(PlannedRecipe& recipe, size_t fake_result, Draft& main) {
  const InputFile& file = inputs_.file(options_.models.front());
  size_t count = recipe.really_quantizable().size();
  if (count == 0) {
    warn(common_,
         fmt::format("--real: {} rounds no matrix to a type of ggml's, which alone have kernels (ggml's own "
                     "MX and NV formats are mxfp4_ggml and nvfp4_ggml)",
                     recipe.name()));
    return;
  }
  size_t left = recipe.plan().tensors.size() - count;
  std::string name = fmt::format("{}, really quantized", recipe.name());
  if (left > 0) name += fmt::format(" ({} fake)", counted(left, "tensor"));
  size_t result = add_result(name, Kind::real, file);
  size_t source =
      main.add_source(virtual_source(name, options_.model, [&recipe] { return recipe.really_quantized(); }));
  results[fake_result].real = result;
  if (recipe.changes_types() && options_.baseline.empty())
    results[result].baseline_name = file.name + " as it is";
  main.add(result, {name, source});
}

void EvaluateJob::add_control(const InputFile& file, Draft& main) {
  Format format = parse_format(options_.control.empty() ? "bf16" : options_.control);
  Plan plan = control_plan(file.model.tensors(), format);
  size_t chosen = plan.tensors.size();
  if (chosen == 0) {
    warn(common_,
         fmt::format("no control row: {} has no tensor that takes {} in the type that it is stored as",
                     printable(file.name), format.name));
    return;
  }
  size_t all = file.model.tensors().size();
  std::string name =
      fmt::format("control: {} {}", format.name,
                  chosen == all ? "everywhere" : fmt::format("on {} of {} tensors", chosen, all));
  if (is_stochastic(plan)) seed_ = options_.recipe.seed.value_or(kDefaultSeed);
  PlannedRecipe& recipe = plan_recipe(name, std::move(plan), file);
  main.control = main.plan.variants.size();
  main.add(add_result(name, Kind::control, file, &recipe), {name, 0, &recipe});
}

}  // namespace fakequant::cli
