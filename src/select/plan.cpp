#include "select/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

// The tensors a rule matches; an Error names the rule unless the command line is the only one there is.
std::vector<size_t> matches_of(TensorList tensors, const Rule& rule) {
  try {
    return select_tensors(tensors, rule.tensors, rule.layers);
  } catch (const Error& error) {
    if (rule.name == kCommandLineRule) throw;
    throw Error("{}: {}", rule.name, error.what());
  }
}

[[noreturn]] void fail_unfit(TensorList tensors, const std::vector<SkippedTensor>& unfit) {
  constexpr size_t kMost = 5;
  std::vector<std::string> lines;
  for (const SkippedTensor& tensor : unfit) {
    if (lines.size() == kMost) {
      lines.push_back(fmt::format("and {} more", unfit.size() - kMost));
      break;
    }
    std::string rule = tensor.rule == kCommandLineRule ? "" : fmt::format(" by {}", tensor.rule);
    lines.push_back(fmt::format("{} cannot become {}{}: {}",
                                printable(tensors[tensor.tensor_index].info->name), tensor.format, rule,
                                tensor.reason));
  }
  if (unfit.size() == 1) throw Error("{}; --skip-unfit leaves such tensors as they are", lines[0]);
  throw Error("{} tensors do not fit their format; --skip-unfit leaves such tensors as they are:\n  {}",
              unfit.size(), join(lines, "\n  "));
}

void sum_bits(TensorList tensors, Plan& plan) {
  uint64_t left_bits = 0;  // of what the file stores for tensors that keep it
  for (const Model::Located& tensor : tensors) {
    plan.model_bits += file_bits(*tensor.info);
    left_bits += file_bits(*tensor.info).bits;
  }
  for (const PlannedTensor& planned : plan.tensors) {
    plan.chosen_bits += planned.bits;
    left_bits -= file_bits(*tensors[planned.tensor_index].info).bits;
  }
  plan.requested_bits = plan.achieved_bits = plan.chosen_bits;
  for (const SkippedTensor& skipped : plan.skipped) {
    plan.requested_bits += skipped.requested_bits;
    plan.achieved_bits += skipped.achieved_bits;
    left_bits -= skipped.achieved_bits.bits;
  }
  plan.model_bits.bits = left_bits + plan.achieved_bits.bits;
  plan.model_requested_bits = {left_bits + plan.requested_bits.bits, plan.model_bits.weights};
}

}  // namespace

// Tensors of integer types are tables of indices and flags.
std::string reason_against(const Format& format, const TensorInfo& tensor) {
  if (tensor.type == TensorType::F64)
    return "its values of type F64 are not rounded, since they are read as F32";
  if (format.leaves_values()) return "";
  if (facts_of(tensor.type).type_class == TypeClass::integer) {
    return fmt::format(
        "its type {} holds integers, not weights; the nearest format that fits is f32, which leaves it",
        name_of(tensor.type));
  }
  return misfit(format, tensor.row_length);
}

BitsPerWeight file_bits(const TensorInfo& tensor) {
  return {tensor.data_bytes * 8, static_cast<uint64_t>(tensor.value_count)};
}

BitsPerWeight format_bits(const Format& format, const TensorInfo& tensor) {
  return format.leaves_values() ? file_bits(tensor)
                                : stored_bits(format, tensor.row_length, tensor.value_count);
}

bool Plan::is_stochastic() const {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const PlannedTensor& tensor) { return tensor.format.is_stochastic(); });
}

const PlannedTensor* Plan::find(size_t tensor_index) const {
  auto place =
      std::lower_bound(tensors.begin(), tensors.end(), tensor_index,
                       [](const PlannedTensor& tensor, size_t index) { return tensor.tensor_index < index; });
  return place != tensors.end() && place->tensor_index == tensor_index ? &*place : nullptr;
}

Plan make_plan(TensorList tensors, const std::vector<Rule>& rules, const PlanOptions& options) {
  Plan plan;
  std::vector<const Rule*> decided(tensors.size(), nullptr);
  for (const Rule& rule : rules) {
    bool used = false;
    for (size_t index : matches_of(tensors, rule)) {
      if (decided[index] != nullptr) continue;
      decided[index] = &rule;
      used = true;
    }
    if (!used) plan.unused_rules.push_back(rule.name);
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (decided[i] == nullptr) continue;
    const Rule& rule = *decided[i];
    const TensorInfo& tensor = *tensors[i].info;
    BitsPerWeight bits = format_bits(rule.format, tensor);
    std::string reason = reason_against(rule.format, tensor);
    if (reason.empty()) {
      plan.tensors.push_back({i, rule.format, rule.store.value_or(options.store), rule.name, bits});
    } else {
      plan.skipped.push_back({i, rule.format.name, std::move(reason), rule.name, bits, file_bits(tensor)});
    }
  }
  if (!plan.skipped.empty() && !options.skip_unfit) fail_unfit(tensors, plan.skipped);
  sum_bits(tensors, plan);
  return plan;
}

}  // namespace fakequant
