#include "evaluate/recipe_json.h"

#include "tensors/result_json.h"

namespace fakequant {

Json recipe_json(const PlannedRecipe& recipe, const std::optional<PatchReport>& patch) {
  const Plan& plan = recipe.plan();
  Json result{{"planned_tensors", plan.tensors.size()},
              {"skipped_tensors", plan.skipped.size()},
              {"bits", bits_json(plan.achieved_bits)},
              {"model_bits", bits_json(plan.model_bits)}};
  if (!patch) return result;
  result["unused_tensors"] = patch->unused;
  result["all_unused"] = patch->all_unused(plan);
  if (patch->tensors.empty()) return result;
  PatchTotal total = patch->total();
  result["changed_bytes"] = patch->changed_bytes;
  result["store_changed_values"] = total.store_changed_count;
  result["difference"] = difference_json(total.difference);
  result["restored"] = true;  // Session::check_restored, or there would be no result
  return result;
}

}  // namespace fakequant
