#pragma once
// A plan: for each tensor of a model the format and storage it gets and the rule that decided. Knows nothing
// of importance matrices, of ggml's code or of values; whoever carries the plan out checks those.

#include <cstddef>
#include <string>
#include <vector>

#include "formats/block_format.h"
#include "select/rule.h"

namespace fakequant {

struct PlannedTensor {
  size_t tensor_index;  // into the list given to make_plan
  Format format;        // may be one that leaves the values (f32)
  Store store;
  std::string rule;  // Rule::name
};

// A tensor that a rule chose but whose format cannot apply; it is left as it is.
struct SkippedTensor {
  size_t tensor_index;
  std::string format;  // Format::name
  std::string reason;
  std::string rule;
};

struct Plan {
  std::vector<PlannedTensor> tensors;     // ascending index
  std::vector<SkippedTensor> skipped;     // ascending index; only with PlanOptions::skip_unfit
  std::vector<std::string> unused_rules;  // whose every match an earlier rule had taken, worth a warning
  // Exact sums: a planned tensor at what its format would store, every other one, and a planned one whose
  // values stay, at what the file stores now.
  BitsPerWeight chosen_bits{0, 0};  // over `tensors`
  BitsPerWeight model_bits{0, 0};   // over all tensors of the model

  // The planned tensor of this index, or null.
  const PlannedTensor* find(size_t tensor_index) const;
};

struct PlanOptions {
  Store store = Store::keep;  // of rules that name none
  bool skip_unfit = false;    // leave tensors whose format does not fit, and list them, instead of an error
};

// Decides every tensor by the first rule that matches it; tensors no rule matches are left alone and out of
// the plan.
//
//   throws   Error when a rule's selection matches nothing (named as the rule and what is wrong with it), or,
//            without skip_unfit, when formats do not fit: up to five tensors with reasons, and how many in
//            all
Plan make_plan(TensorList tensors, const std::vector<Rule>& rules, const PlanOptions& options = {});

}  // namespace fakequant
