#pragma once
// A plan: for each tensor of a model the format and storage it gets and the rule that decided. Knows nothing
// of importance matrices, of ggml's code or of values; whoever carries the plan out checks those.

#include <cstddef>
#include <string>
#include <vector>

#include "formats/block_format.h"
#include "select/rule.h"

namespace fakequant {

// What stochastic rounding draws from where nobody says.
inline constexpr uint64_t kDefaultSeed = 0;

// Bits are exact sums. What values that stay (format f32) take is what the file stores for them.
struct PlannedTensor {
  size_t tensor_index;  // into the list given to make_plan
  Format format;        // may be one that leaves the values (f32)
  Store store;
  std::string rule;    // Rule::name
  BitsPerWeight bits;  // what the tensor takes in its format
};

// A tensor that a rule chose but whose format cannot apply; it is left as it is.
struct SkippedTensor {
  size_t tensor_index;
  std::string format;  // Format::name
  std::string reason;
  std::string rule;
  BitsPerWeight requested_bits;  // what the format takes for as many weights, though it does not fit
  BitsPerWeight achieved_bits;   // what the file stores
};

struct Plan {
  std::vector<PlannedTensor> tensors;     // ascending index
  std::vector<SkippedTensor> skipped;     // ascending index; only with PlanOptions::skip_unfit
  std::vector<std::string> unused_rules;  // whose every match an earlier rule had taken, worth a warning
  BitsPerWeight chosen_bits{0, 0};        // over `tensors`
  // Over `tensors` and `skipped`, that is, all that rules chose. They are equal when nothing is skipped.
  BitsPerWeight requested_bits{0, 0};
  BitsPerWeight achieved_bits{0, 0};
  // Over all tensors of the model: those that no rule chose at what the file stores.
  BitsPerWeight model_requested_bits{0, 0};
  BitsPerWeight model_bits{0, 0};  // achieved

  // The planned tensor of this index, or null.
  const PlannedTensor* find(size_t tensor_index) const;
  // Whether carrying it out draws random numbers.
  bool is_stochastic() const;
};

struct PlanOptions {
  Store store = Store::keep;  // of rules that name none
  bool skip_unfit = false;    // leave tensors whose format does not fit, and list them, instead of an error
};

// Why `format` cannot apply to the tensor, or "" when it can: misfit, integers that are no weights, or F64,
// which rows of F32 cannot carry.
std::string reason_against(const Format& format, const TensorInfo& tensor);

// What the file stores for the tensor.
BitsPerWeight file_bits(const TensorInfo& tensor);
// What the tensor would take in `format`, whether that fits or not; file_bits when the format leaves the values.
BitsPerWeight format_bits(const Format& format, const TensorInfo& tensor);

// Decides every tensor by the first rule that matches it; tensors no rule matches are left alone and out of
// the plan.
//
//   throws   Error when a rule's selection matches nothing (named as the rule and what is wrong with it), or,
//            without skip_unfit, when formats do not fit: up to five tensors with reasons, and how many in
//            all
Plan make_plan(TensorList tensors, const std::vector<Rule>& rules, const PlanOptions& options = {});

}  // namespace fakequant
