#pragma once
// Where a recipe's values stand while it is measured, and what the model is compared with then: itself, or stored alike and
// unrounded. Loads nothing.

#include <optional>
#include <string>
#include <vector>

#include "evaluate/model_source.h"
#include "evaluate/planned_recipe.h"

namespace fakequant {

// Whom a recipe's model is compared with.
enum class ComparedWith {
  itself,   // the same model unrounded
  another,  // a model, or a file of logits, that stays as it is
};

struct RecipePlacement {
  // Nothing where the baseline is as it is; else the types in which it is the unrounded model: widened_source().
  std::optional<std::vector<TensorType>> baseline_types;
  // The recipe is carried out in memory: on the baseline where that is the model itself, else on the model as it is. False: no model
  // in memory has its types, and its result is loaded: rounded_source().
  bool is_patch = true;
  // "2 tensors stored as Q4_0": what its result is stored as and its baseline is not; "" for nothing. Kernels of these types round
  // activations too.
  std::string storage;
};

// Reads the tensors that a recipe stores as F16 or BF16, where it changes types and is compared with itself.
RecipePlacement place_recipe(const PlannedRecipe& recipe, ComparedWith whom, Progress::Mode progress);

// Throws Error where the recipe would store a tensor of one dimension in a type that llama.cpp's kernels do not take so: they end the
// process. `store_name` is what chose the type.
void check_one_dimensional(const PlannedRecipe& recipe, const char* store_name);

// "3 tensors stored as F32, 1 tensor stored as F16": what differs from the model's own types; "" for nothing.
std::string type_changes(const Model& model, const std::vector<TensorType>& types);

// The unrounded model stored in other types, named after them. The model must outlive the source.
ModelSource widened_source(const Model& model, const std::vector<TensorType>& types,
                           const ModelOptions& options);
// What the recipe makes of its model, stored in its types. The recipe must outlive the source.
ModelSource rounded_source(PlannedRecipe& recipe, const ModelOptions& options);

// The same with the tensors that ggml's types take really quantized, so that its kernels compute with them: nothing where the recipe
// rounds no matrix to such a type.
std::optional<ModelSource> really_quantized_source(PlannedRecipe& recipe, const ModelOptions& options);

}  // namespace fakequant
