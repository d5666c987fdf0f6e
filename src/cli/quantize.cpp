// fakequant quantize: a copy of the model whose chosen tensors hold rounded values.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "cli/profile.h"
#include "cli/quantize_report.h"
#include "cli/selection.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string model;
  std::string output;
  SelectionOptions selection;
  std::string format;
  std::string recipe;
  std::string store = "keep";
  std::string importance;
  std::optional<uint64_t> seed;
  bool skip_unfit = false;
  bool dry_run = false;
  bool no_sync = false;
  bool profile = false;
  RewriteOptions rewrite;
  std::vector<const CLI::Option*> of_writing;  // that mean nothing to a profile
};

std::vector<Rule> rules_of(const Options& options, const Model& model) {
  if (!options.recipe.empty()) {
    if (options.selection.given() || !options.format.empty()) {
      throw UsageError(
          "--recipe already says which tensors get which format: leave out --tensors, --layers and --format");
    }
    return load_recipe(options.recipe).rules;
  }
  if (!options.selection.given()) {
    throw UsageError(
        "which tensors, to which format? Give --tensors or --layers and --format, or --recipe. This model "
        "has {}",
        join(roles_present(model.tensors()), ", "));
  }
  if (options.format.empty())
    throw UsageError("which format? Give --format, for example bf16:rtz; `fakequant formats` lists them");
  if (options.format.find(',') != std::string::npos) {
    throw UsageError(
        "--format {}: a list is for --profile, which weighs formats; a file takes one, or several by "
        "--recipe",
        printable(options.format));
  }
  return {{std::string(kCommandLineRule), tensor_selection(options.selection),
           layer_selection(options.selection), parse_format(options.format), std::nullopt}};
}

// Fills `job` in its place: its rounders refer to its model and plan.
void prepare(QuantizeJob& job, Options& options, const CommonOptions& common) {
  Store store = parse_store(options.store);
  job.model = open_model(options.model);
  std::vector<Rule> rules = rules_of(options, job.model);
  job.plan = make_plan(job.model.tensors(), rules, {.store = store, .skip_unfit = options.skip_unfit});
  job.importance_path = options.importance;
  if (!options.importance.empty()) job.importance = ImportanceMatrix::load(options.importance);
  bool stochastic = std::any_of(job.plan.tensors.begin(), job.plan.tensors.end(),
                                [](const PlannedTensor& tensor) { return tensor.format.is_stochastic(); });
  if (stochastic) job.seed = options.seed.value_or(kDefaultSeed);
  options.rewrite.stamp_seed = job.seed;
  job.rounders =
      std::make_unique<PlannedRounders>(job.model, job.plan, job.importance, job.seed.value_or(kDefaultSeed));
  std::vector<std::string> outputs = shard_output_names(options.output, job.model.shards().size());
  std::vector<std::string>& inputs = options.rewrite.inputs;
  inputs = job.model.paths();
  for (const std::string& file : {options.importance, options.recipe}) {
    if (!file.empty()) inputs.push_back(file);
  }
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
                      .selection = options.selection,
                      .formats = options.format,
                      .importance_path = options.importance,
                      .seed = options.seed},
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
  if (options.seed && !job.seed) warn(common, kSeedUnused);
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

void add_seed_option(CLI::App& app, std::optional<uint64_t>& seed) {
  auto read = [&seed](const std::string& text) {
    uint64_t value = 0;
    if (!parse_unsigned(text, value)) {
      throw UsageError("--seed: found '{}', wanted a whole number from 0 to 18446744073709551615",
                       printable(text));
    }
    seed = value;
  };
  app.add_option_function<std::string>(
         "--seed", read, "What stochastic rounding (:sr) draws from, with the tensor's name; default 0")
      ->type_name("N");
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
  add_selection_options(app, options->selection);
  app.add_option(
         "--format", options->format,
         "Number format to round to: bf16:rtz, int4:group=32, q4_k, ... (see `fakequant formats`); with "
         "--profile several, separated by commas")
      ->type_name("FORMAT");
  CLI::Option* recipe = app.add_option("--recipe", options->recipe,
                                       "TOML file of rules instead of --tensors, --layers and --format")
                            ->type_name("FILE");
  app.add_flag(
      "--profile", options->profile,
      "Write nothing; show what formats would do to each tensor role: SNR, RMSE and bits per weight");
  CLI::Option* store = app.add_option("--store", options->store,
                                      "What the file stores: keep (default), auto, f32, f16, bf16, narrow")
                           ->type_name("TYPE");
  app.add_option("--imatrix", options->importance, "Importance matrix of llama-imatrix, for ggml types")
      ->type_name("FILE");
  add_seed_option(app, options->seed);
  CLI::Option* skip = app.add_flag("--skip-unfit", options->skip_unfit,
                                   "Leave tensors whose shape does not fit the format, and list them");
  CLI::Option* dry_run =
      app.add_flag("--dry-run", options->dry_run, "Show plan, sizes and bits per weight; write nothing");
  CLI::Option* force = app.add_flag("--force", options->rewrite.force, "Replace an existing output");
  CLI::Option* no_sync =
      app.add_flag("--no-sync", options->no_sync, "Do not wait until the output is on disk");
  CLI::Option* stamp =
      app.add_flag("--stamp", options->rewrite.stamp, "Add fakequant.* metadata that says what was done");
  add_epsilon_option(app, options->rewrite.epsilon, "|o - q| / (|o| + epsilon)");
  options->of_writing = {
      output, recipe, store, skip, dry_run, force, no_sync, stamp, app.get_option("--epsilon")};
  app.footer(std::string(kExamples) + wrapped_formats() + role_help());
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
