#pragma once
// What evaluate says of NaN and Inf among the weights: a warning before anything is measured, and the names of the
// tensors where measuring fails for it. Does not look at numbers itself.

#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/non_finite.h"

namespace fakequant::cli {

class FiniteWeights {
 public:
  // Reads all tensors of `model`, and warns of those that hold NaN or Inf. `name` is the model as the user gave it.
  void check(const CommonOptions& common, const std::string& name, const Model& model);

  // Throws Error of the same sentence with the tensors that check() found behind it.
  [[noreturn]] void explain(const NonFiniteError& error) const;

 private:
  std::vector<std::string> found_;  // "MODEL: tensors"
};

}  // namespace fakequant::cli
