// fakequant quantize: a copy of the model whose chosen tensors hold rounded values.

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "cli/profile.h"
#include "cli/quantize_report.h"
#include "cli/recipe_options.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string model;
  std::string output;
  RecipeOptions recipe;
  bool dry_run = false;
  bool no_sync = false;
  bool profile = false;
  RewriteOptions rewrite;
  std::vector<const CLI::Option*> of_writing;  // that mean nothing to a profile
};

std::vector<Rule> rules_of(const RecipeOptions& options, const Model& model) {
  if (options.recipes.size() > 1)
    throw UsageError("--recipe: found {} recipes, wanted one for one file", options.recipes.size());
  if (options.recipes.empty() && options.format.find(',') != std::string::npos) {
    throw UsageError(
        "--format {}: a list is for --profile, which weighs formats; a file takes one, or several by "
        "--recipe",
        printable(options.format));
  }
  return named_rules(options, model).front().rules;
}

// Fills `job` in its place: its rounders refer to its model and plan.
void prepare(QuantizeJob& job, Options& options, const CommonOptions& common) {
  const RecipeOptions& recipe = options.recipe;
  Store store = parse_store(recipe.store);
  job.model = open_model(options.model);
  std::vector<Rule> rules = rules_of(recipe, job.model);
  job.plan = make_plan(job.model.tensors(), rules, {.store = store, .skip_unfit = recipe.skip_unfit});
  job.importance_path = recipe.importance;
  if (!recipe.importance.empty()) job.importance = ImportanceMatrix::load(recipe.importance);
  if (job.plan.is_stochastic()) job.seed = recipe.seed.value_or(kDefaultSeed);
  options.rewrite.stamp_seed = job.seed;
  job.rounders =
      std::make_unique<PlannedRounders>(job.model, job.plan, job.importance, job.seed.value_or(kDefaultSeed));
  std::vector<std::string> outputs = shard_output_names(options.output, job.model.shards().size());
  std::vector<std::string>& inputs = options.rewrite.inputs;
  inputs = job.model.paths();
  inputs.insert(inputs.end(), recipe.recipes.begin(), recipe.recipes.end());
  if (!recipe.importance.empty()) inputs.push_back(recipe.importance);
  // Refused before the reading that choosing storage can take; rewrite() checks again with the size needed.
  for (const std::string& output : outputs) {
    check_output(output, inputs, options.rewrite.force || options.dry_run, 0);
  }
  std::vector<std::string> models = inputs;
  models.insert(models.end(), outputs.begin(), outputs.end());
  check_json_target(common, models);
  job.layout = plan_rewrite(job.model, job.plan, *job.rounders, options.output, options.rewrite);
}

int profile(const Options& options, const CommonOptions& common) {
  for (const CLI::Option* option : options.of_writing) {
    if (option->count() == 0) continue;
    throw UsageError(
        "{} and --profile exclude each other: a profile writes nothing, lists what does not fit, and takes "
        "its formats from "
        "--format",
        option->get_name(option->get_positional()));
  }
  return run_profile({.model = options.model,
                      .selection = options.recipe.selection,
                      .formats = options.recipe.format,
                      .importance_path = options.recipe.importance,
                      .seed = options.recipe.seed},
                     common);
}

int run(Options& options, const CommonOptions& common) {
  if (options.profile) return profile(options, common);
  if (options.output.empty()) {
    throw UsageError("OUT is required: the file to write. Only --profile needs none");
  }
  options.rewrite.sync = !options.no_sync;
  options.rewrite.progress = common.progress();
  QuantizeJob job;
  prepare(job, options, common);
  warn_before(common, job);
  if (options.recipe.seed && !job.seed) warn(common, kSeedUnused);
  if (options.dry_run) {
    if (common.prints_text()) {
      if (!job.plan.tensors.empty()) print_plan(job);
      print_left(job);
      print_sizes(job, true);
    }
    write_json(common, [&] { return plan_json(job); });
    return kDone;
  }
  if (common.prints_text() && common.verbose) print_plan(job);
  RewriteResult result = rewrite(job.model, job.plan, *job.rounders, job.layout, options.rewrite);
  if (common.prints_text()) {
    if (!result.tensors.empty()) print_results(job, result);
    print_left(job);
    print_unchanged(job, result);
    print_sizes(job, false);
  }
  warn_after(common, job, result);
  write_json(common, [&] { return result_json(job, result); });
  return kDone;
}

// The default formats of --profile, in lines of a terminal.
std::string wrapped_formats() {
  return "  " + wrapped(profile_formats_help(), {.width = 100, .indent = 2, .used = 2}) + "\n\n";
}

constexpr const char* kExamples =
    "Examples:\n"
    "  fakequant quantize in.gguf out.gguf --tensors ffn_norm --layers 0-2 --format bf16:rtz\n"
    "  fakequant quantize in.gguf out.gguf --tensors 'matrices,!embedding,!output' --format int4:group=32\n"
    "  fakequant quantize in.gguf out.gguf --tensors ffn_down --format q4_k --imatrix imatrix.gguf\n"
    "  fakequant quantize in.gguf out.gguf --recipe recipe.toml --dry-run\n"
    "  fakequant quantize in.gguf out.gguf --tensors matrices --format e4m3:sr --seed 7\n"
    "  fakequant quantize --profile in.gguf\n"
    "  fakequant quantize --profile in.gguf --tensors ffn --format q4_k,mxfp4,nvfp4,int4:group=32\n\n"
    "A recipe is a TOML file; the first rule that matches a tensor decides it:\n"
    "  [[rule]]\n  tensors = \"ffn_norm\"\n  layers = \"0-2\"\n  format = \"bf16:rtz\"\n  store = "
    "\"keep\"\n\n"
    "--store says what the file stores: keep (the tensor's own type; differences that it adds are measured "
    "and named),\n"
    "  auto (widen just the tensors whose type cannot hold the rounded values), f32, f16, bf16 (force),\n"
    "  narrow (auto, and matrices go to the smallest type that holds the rounded values exactly:\n"
    "  F16, BF16 or a quantized type of ggml)\n\n"
    "--profile measures the matrices, or what --tensors chooses, of all layers or those of --layers, in "
    "each\n"
    "  format of --format, and prints formats x roles. Without --format it shows\n";

}  // namespace

std::function<int()> add_quantize(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("-m,--model,MODEL", options->model,
                 "GGUF file, any part of a split one, or `demo`; only read")
      ->required();
  CLI::Option* output = app.add_option("OUT", options->output,
                                       "File to write; for a split model OUT-00001-of-0000N.gguf and so on");
  add_recipe_options(app, options->recipe, "with --profile several, separated by commas", "");
  app.add_flag(
      "--profile", options->profile,
      "Write nothing; show what formats would do to each tensor role: SNR, RMSE and bits per weight");
  CLI::Option* dry_run =
      app.add_flag("--dry-run", options->dry_run, "Show plan, sizes and bits per weight; write nothing");
  CLI::Option* force = app.add_flag("--force", options->rewrite.force, "Replace an existing output");
  CLI::Option* no_sync =
      app.add_flag("--no-sync", options->no_sync, "Do not wait until the output is on disk");
  CLI::Option* stamp =
      app.add_flag("--stamp", options->rewrite.stamp, "Add fakequant.* metadata that says what was done");
  add_epsilon_option(app, options->rewrite.epsilon, "|o - q| / (|o| + epsilon)");
  options->of_writing = {output, dry_run, force, no_sync, stamp};
  for (const char* name : {"--recipe", "--store", "--skip-unfit", "--epsilon"})
    options->of_writing.push_back(app.get_option(name));
  app.footer(std::string(kExamples) + wrapped_formats() + role_help());
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
