#include "evaluate/control.h"

#include <fmt/format.h>

namespace fakequant {

Plan control_plan(TensorList tensors, const Format& format) {
  std::vector<Model::Located> chosen;
  std::vector<size_t> indices;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& info = *tensors[i].info;
    if (facts_of(info.type).type_class != TypeClass::floating || !reason_against(format, info).empty())
      continue;
    chosen.push_back(tensors[i]);
    indices.push_back(i);
  }
  if (chosen.empty()) return {};
  Plan plan = make_plan(chosen, {{"control", std::nullopt, std::nullopt, format, Store::keep}});
  for (PlannedTensor& planned : plan.tensors) planned.tensor_index = indices[planned.tensor_index];
  // The plan knows the chosen ones alone; the rest of the model stays as it is stored.
  for (const Model::Located& tensor : tensors) plan.model_bits += file_bits(*tensor.info);
  for (const Model::Located& tensor : chosen) {
    BitsPerWeight stored = file_bits(*tensor.info);
    plan.model_bits.bits -= stored.bits;
    plan.model_bits.weights -= stored.weights;
  }
  plan.model_requested_bits = plan.model_bits;
  return plan;
}

std::optional<Control> plan_control(const Model& model, const Format& format) {
  Plan plan = control_plan(model.tensors(), format);
  size_t chosen = plan.tensors.size();
  if (chosen == 0) return std::nullopt;
  size_t all = model.tensors().size();
  std::string where = chosen == all ? "everywhere" : fmt::format("on {} of {} tensors", chosen, all);
  return Control{fmt::format("control: {} {}", format.name, where), std::move(plan)};
}

}  // namespace fakequant
