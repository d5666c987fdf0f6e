#pragma once
// What was planned of a recipe and what carrying it out did, as JSON under stable keys.

#include <optional>

#include "base/json.h"
#include "evaluate/planned_recipe.h"

namespace fakequant {

// `patch` is what a session reports of a variant whose weights were checked to be restored in the end; nothing before that.
Json recipe_json(const PlannedRecipe& recipe, const std::optional<PatchReport>& patch);

}  // namespace fakequant
