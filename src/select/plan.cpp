#include "select/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

// Tensors of integer types are tables of indices and flags.
std::string reason_against(const Format& format, const TensorInfo& tensor) {
  if (format.leaves_values()) return "";
  if (facts_of(tensor.type).type_class == TypeClass::integer) {
    return fmt::format(
        "its type {} holds integers, not weights; the nearest format that fits is f32, which leaves it",
        name_of(tensor.type));
  }
  return misfit(format, tensor.row_length);
}

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

void add(BitsPerWeight& sum, const BitsPerWeight& part) {
  sum.bits += part.bits;
  sum.weights += part.weights;
}

BitsPerWeight file_bits(const TensorInfo& tensor) {
  return {tensor.data_bytes * 8, static_cast<uint64_t>(tensor.value_count)};
}

void sum_bits(TensorList tensors, Plan& plan) {
  auto planned = plan.tensors.begin();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = *tensors[i].info;
    bool chosen = planned != plan.tensors.end() && planned->tensor_index == i;
    bool changes = chosen && !planned->format.leaves_values();
    BitsPerWeight bits =
        changes ? stored_bits(planned->format, tensor.row_length, tensor.value_count) : file_bits(tensor);
    add(plan.model_bits, bits);
    if (!chosen) continue;
    add(plan.chosen_bits, bits);
    ++planned;
  }
}

}  // namespace

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
    std::string reason = reason_against(rule.format, *tensors[i].info);
    if (reason.empty()) {
      plan.tensors.push_back({i, rule.format, rule.store.value_or(options.store), rule.name});
    } else {
      plan.skipped.push_back({i, rule.format.name, std::move(reason), rule.name});
    }
  }
  if (!plan.skipped.empty() && !options.skip_unfit) fail_unfit(tensors, plan.skipped);
  sum_bits(tensors, plan);
  return plan;
}

}  // namespace fakequant
