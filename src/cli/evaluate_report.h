#pragma once
// What evaluate tells of models, variants and texts, as text and as JSON.

#include <optional>
#include <string>
#include <vector>

#include "cli/evaluate_texts.h"
#include "evaluate/evaluated_text.h"
#include "evaluate/planned_recipe.h"

namespace fakequant::cli {

struct EvaluationSettings {
  DecodeOptions decode;
  int threads;
  std::string flash_attention;  // on, off or auto, as it was asked for
  bool repack;
  // Of a comparison:
  std::string baseline = {};   // what variants are compared with; "" when nothing is compared
  std::string selection = {};  // which tensors recipes of the command line round; "" for recipes from files
  std::string clipping = {};   // what a baseline from a file leaves out; "" for one that is a model
  std::optional<uint64_t> seed = {};  // of stochastic rounding; nothing when no format draws
};

// A row of the result: a model, or a recipe carried out on one.
struct EvaluatedVariant {
  enum class Kind { model, recipe, real, widening, control };

  std::string name;
  Kind kind;
  std::string model_file;
  int training_context;                   // 0 when the model does not say
  const PlannedRecipe* recipe = nullptr;  // of recipes and controls
  std::optional<PatchReport> patch = {};  // what carrying it out did
  // Results that stand beside this one: really quantized, and only stored as this one is.
  std::optional<size_t> real = {};
  std::optional<size_t> widening = {};
  std::string storage = {};        // types that its baseline does not have
  std::string baseline_name = {};  // where it is not the settings'
  std::vector<EvaluatedText> texts = {};
  TextMeasurements made = {};               // of --prompts and --speed, where nothing is compared
  std::optional<std::string> failure = {};  // why it could not be measured to the end
};

// Prints a table of perplexities, with `running` also the perplexity after each chunk as llama-perplexity prints it.
void print_evaluation(const std::vector<EvaluatedVariant>& models, const EvaluationSettings& settings,
                      bool running);

// Prints the table of a comparison, for each text; with `details` also all statistics of every variant.
void print_comparison(const std::vector<EvaluatedVariant>& variants, const EvaluationSettings& settings,
                      bool details);

// Settings and `texts` of one variant; of several `variants`, a list with `texts` of each. What stands beside a variant is in it
// under "widening" and "real"; the control is under "control". `made` are lists of a comparison's texts and speed; with
// `per_chunk` texts have each chunk's measures.
Json evaluation_json(const std::vector<EvaluatedVariant>& variants, const std::vector<TextMeasurements>& made,
                     const EvaluationSettings& settings, bool per_chunk);

}  // namespace fakequant::cli
