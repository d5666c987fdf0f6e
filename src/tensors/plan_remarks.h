#pragma once
// What is worth knowing of a plan before it is carried out, as sentences. Knows neither command lines nor experiments.

#include <string>
#include <string_view>
#include <vector>

#include "select/plan.h"

namespace fakequant {

// A sentence each: rules that decide nothing, tensors left as they are because they do not take their format, and, in one, tensors that
// are rounded without importance. Names are printable.
//
//   without_importance  into Plan::tensors: those that the importance matrix has no entry for though their format would use it
//   importance          what the matrix is called, printable
std::vector<std::string> plan_remarks(const Plan& plan, TensorList tensors,
                                      const std::vector<size_t>& without_importance,
                                      std::string_view importance);

// The last of them: "matrix.gguf has no entry for a, b and 3 more: rounded without importance". Names are printable.
std::string unweighted_remark(const std::vector<std::string>& tensor_names, std::string_view importance);

}  // namespace fakequant
