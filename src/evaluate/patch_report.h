#pragma once
// What carrying out a recipe in memory did to the weights. Knows no recipes.

#include <cstdint>
#include <string>
#include <vector>

#include "tensors/stored_tensor.h"

namespace fakequant {

// Over all tensors of a patch.
struct PatchTotal {
  Difference difference;
  uint64_t store_changed_count = 0;  // values that the storage types could not hold exactly
};

struct PatchReport {
  std::vector<TensorResult>
      tensors;  // one per planned tensor, as the plan orders them; none where nothing was patched
  std::vector<std::string>
      unused;                  // planned tensors that the model's graph does not use: they change no logits
  uint64_t changed_bytes = 0;  // of weights whose bytes differ

  PatchTotal total() const;
  // Whether the graph uses none of the plan's tensors: then measures say nothing of the rounding.
  bool all_unused(const Plan& plan) const { return unused.size() == plan.tensors.size(); }
};

}  // namespace fakequant
