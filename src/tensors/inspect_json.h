#pragma once
// What inspect found, as JSON under stable keys. Looks at no values itself.

#include <span>

#include "base/json.h"
#include "tensors/inspect.h"
#include "tensors/model_sums.h"

namespace fakequant {

// One tensor. Every key is there for every tensor: of a type whose values cannot be read, what is told of values is null.
Json tensor_report_json(const TensorInfo& info, const TensorReport& report);

// The model's facts, which are those of all of its tensors, and the tensors of `reports`.
Json inspection_json(const Model& model, std::span<const TensorReport> reports);

}  // namespace fakequant
