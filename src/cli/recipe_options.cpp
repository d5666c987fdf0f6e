#include "cli/recipe_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "tensors/plan_remarks.h"

namespace fakequant::cli {

namespace {

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

}  // namespace

void add_recipe_options(CLI::App& app, RecipeOptions& options, const std::string& format_help,
                        const std::string& recipe_help) {
  add_selection_options(app, options.selection);
  app.add_option("--format", options.format,
                 "Number format to round to: bf16:rtz, int4:group=32, q4_k, ... (see `fakequant formats`); " +
                     format_help)
      ->type_name("FORMAT");
  app.add_option("--recipe", options.recipes,
                 "TOML file of rules instead of --tensors, --layers and --format" + recipe_help)
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--store", options.store,
                 "What the file stores: keep (default), auto, f32, f16, bf16, narrow")
      ->type_name("TYPE");
  app.add_option("--imatrix", options.importance, "Importance matrix of llama-imatrix, for ggml types")
      ->type_name("FILE");
  add_seed_option(app, options.seed);
  app.add_flag("--skip-unfit", options.skip_unfit,
               "Leave tensors whose shape does not fit the format, and list them");
}

std::vector<NamedRules> named_rules(const RecipeOptions& options, const Model& model) {
  std::vector<NamedRules> result;
  if (!options.recipes.empty()) {
    if (options.selection.given() || !options.format.empty()) {
      throw UsageError(
          "--recipe already says which tensors get which format: leave out --tensors, --layers and --format");
    }
    for (const std::string& path : options.recipes)
      result.push_back({std::filesystem::path(path).stem().string(), load_recipe(path).rules});
    return result;
  }
  if (!options.selection.given()) {
    throw UsageError(
        "which tensors, to which format? Give --tensors or --layers and --format, or --recipe. This model "
        "has {}",
        join(roles_present(model.tensors()), ", "));
  }
  if (options.format.empty())
    throw UsageError("which format? Give --format, for example bf16:rtz; `fakequant formats` lists them");
  for (const std::string& text : split(options.format, ',')) {
    Format format = parse_format(text);
    result.push_back({format.name,
                      {{std::string(kCommandLineRule), tensor_selection(options.selection),
                        layer_selection(options.selection), std::move(format), std::nullopt}}});
  }
  return result;
}

void warn_of_plan(const CommonOptions& common, const Model& model, const Plan& plan,
                  const std::vector<size_t>& without_importance, const std::string& importance_path) {
  for (const std::string& remark :
       plan_remarks(plan, model.tensors(), without_importance, printable(importance_path)))
    warn(common, remark);
}

}  // namespace fakequant::cli
