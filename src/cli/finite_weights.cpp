#include "cli/finite_weights.h"

#include "base/error.h"
#include "base/text.h"
#include "tensors/finite_check.h"

namespace fakequant::cli {

void FiniteWeights::check(const CommonOptions& common, const std::string& name, const Model& model) {
  std::string tensors = describe(find_non_finite(model, common.progress()));
  if (tensors.empty()) return;
  found_.push_back(printable(name) + ": " + tensors);
  warn(common, printable(name) + ": found NaN or Inf among the weights: " + tensors);
}

void FiniteWeights::explain(const NonFiniteError& error) const {
  if (found_.empty()) throw Error("{}; all weights in the file are finite", error.what());
  throw Error("{}; weights that are not finite: {}", error.what(), join(found_, "; "));
}

}  // namespace fakequant::cli
