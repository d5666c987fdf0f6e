#pragma once
// Where a tensor stands in its model, told from its name, for results. Looks at no model.

#include "base/json.h"

namespace fakequant {

// Adds `layer` (null outside blocks) and `role` to a tensor's JSON, from its `name`.
void add_place(Json& tensor);

}  // namespace fakequant
