#pragma once
// The options that say which tensors are rounded to which format, and how: shared by the commands that take a recipe.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/selection.h"
#include "select/plan.h"

namespace fakequant::cli {

inline constexpr const char* kSeedUnused = "--seed has no effect: no chosen format rounds stochastically";

struct RecipeOptions {
  SelectionOptions selection;
  std::string format;
  std::vector<std::string> recipes;
  std::string store = "keep";
  std::string importance;
  std::optional<uint64_t> seed;
  bool skip_unfit = false;

  bool given() const { return selection.given() || !format.empty() || !recipes.empty(); }
};

// Adds --tensors, --layers, --format, --recipe, --store, --imatrix, --seed and --skip-unfit. `format_help` and `recipe_help` end
// their descriptions in the command's own words.
void add_recipe_options(CLI::App& app, RecipeOptions& options, const std::string& format_help,
                        const std::string& recipe_help);

// The rules of one variant, and what to call it.
struct NamedRules {
  std::string name;
  std::vector<Rule> rules;
};

// What --recipe or --tensors, --layers and --format say: one for every recipe, or for every format of a list. Throws
// UsageError when they are incomplete or contradict each other; the text names the roles that the model has.
std::vector<NamedRules> named_rules(const RecipeOptions& options, const Model& model);

// Prints what a reader should know of a plan before it is carried out: rules that decide nothing, tensors left out,
// missing importance. `importance_path` is "" for none.
void warn_of_plan(const CommonOptions& common, const Model& model, const Plan& plan,
                  const std::vector<size_t>& without_importance, const std::string& importance_path);

}  // namespace fakequant::cli
