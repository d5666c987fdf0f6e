#include "tensors/plan_remarks.h"

#include <fmt/format.h>

#include "base/text.h"

namespace fakequant {

std::vector<std::string> plan_remarks(const Plan& plan, TensorList tensors,
                                      const std::vector<size_t>& without_importance,
                                      std::string_view importance) {
  auto name_of_tensor = [&](size_t tensor_index) { return printable(tensors[tensor_index].info->name); };
  std::vector<std::string> remarks;
  for (const std::string& rule : plan.unused_rules) {
    remarks.push_back(
        fmt::format("{} decides nothing: every tensor it matches is taken by an earlier rule", rule));
  }
  for (const SkippedTensor& skipped : plan.skipped) {
    remarks.push_back(fmt::format("left as it is: '{}' does not take {}: {}",
                                  name_of_tensor(skipped.tensor_index), skipped.format, skipped.reason));
  }
  std::vector<std::string> unweighted;
  for (size_t index : without_importance)
    unweighted.push_back(name_of_tensor(plan.tensors[index].tensor_index));
  if (!unweighted.empty()) remarks.push_back(unweighted_remark(unweighted, importance));
  return remarks;
}

std::string unweighted_remark(const std::vector<std::string>& tensor_names, std::string_view importance) {
  return fmt::format("{} has no entry for {}: rounded without importance", importance, some_of(tensor_names));
}

}  // namespace fakequant
