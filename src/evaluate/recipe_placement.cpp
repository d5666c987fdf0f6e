#include "evaluate/recipe_placement.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

RecipePlacement place_recipe(const PlannedRecipe& recipe, ComparedWith whom, Progress::Mode progress) {
  RecipePlacement placement;
  if (!recipe.changes_types()) return placement;
  if (whom == ComparedWith::another) {
    placement.is_patch = false;
    return placement;
  }
  placement.baseline_types = recipe.baseline_types(progress);
  placement.is_patch = *placement.baseline_types == recipe.types();
  if (!placement.is_patch) placement.storage = type_changes(recipe.model(), recipe.types());
  return placement;
}

void check_one_dimensional(const PlannedRecipe& recipe, const char* store_name) {
  for (const PlannedTensor& planned : recipe.plan().tensors) {
    const TensorInfo& info = *recipe.model().tensors()[planned.tensor_index].info;
    TensorType type = recipe.types()[planned.tensor_index];
    if (info.shape.size() > 1 || type == TensorType::F32 || type == info.type) continue;
    throw Error(
        "{}: {} would put '{}' into {}, wanted F32 for a tensor of one dimension: llama.cpp's kernels take "
        "no "
        "other; give {} keep or auto",
        recipe.name(), store_name, printable(info.name), name_of(type), store_name);
  }
}

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

ModelSource widened_source(const Model& model, const std::vector<TensorType>& types,
                           const ModelOptions& options) {
  return virtual_source("unrounded, " + type_changes(model, types), options,
                        [&model, types] { return widened(model, types); });
}

ModelSource rounded_source(PlannedRecipe& recipe, const ModelOptions& options) {
  return virtual_source(recipe.name(), options, [&recipe] { return recipe.rounded(); });
}

std::optional<ModelSource> really_quantized_source(PlannedRecipe& recipe, const ModelOptions& options) {
  size_t count = recipe.really_quantizable().size();
  if (count == 0) return std::nullopt;
  size_t left = recipe.plan().tensors.size() - count;
  std::string name = fmt::format("{}, really quantized", recipe.name());
  if (left > 0) name += fmt::format(" ({} fake)", counted(left, "tensor"));
  return virtual_source(name, options, [&recipe] { return recipe.really_quantized(); });
}

}  // namespace fakequant
