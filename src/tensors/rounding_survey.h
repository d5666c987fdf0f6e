#pragma once
// What a plan does to the values of a model's tensors: differences, distributions before and after, and the precision that is left.
// Writes nothing.

#include <functional>
#include <string>
#include <vector>

#include "tensors/compare.h"
#include "tensors/rewrite.h"

namespace fakequant {

struct SurveyedTensor {
  TensorResult result;           // as rewrite() gives it
  std::string precision_before;  // TensorReport::effective_precision of the input
  std::string precision_after;   // and of what is stored
  PairHistograms histograms;     // of all values: a is before, b is after
};

// Rounds and stores each planned tensor as `layout` says, one at a time in memory, and tells `visit` of it, in the order of the plan.
//
//   done     is told the bytes of the input that are done; may be empty
//   throws   Error as store_tensor does, and what `visit` throws
//
// Does not depend on the number of threads.
void survey_rounding(const Model& model, const Plan& plan, PlannedRounders& rounders,
                     const RewritePlan& layout, double epsilon,
                     const std::function<void(const SurveyedTensor&)>& visit,
                     const std::function<void(uint64_t bytes)>& done);

}  // namespace fakequant
