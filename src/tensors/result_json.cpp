#include "tensors/result_json.h"

#include <algorithm>

namespace fakequant {

Json difference_json(const Difference& difference) {
  return {
      {"count", difference.count},
      {"changed_count", difference.changed_count},
      {"max_abs", difference.max_abs},
      {"max_abs_index", difference.max_abs_index},
      {"mean_abs", difference.mean_abs()},
      {"max_rel", difference.max_rel},
      {"max_rel_index", difference.max_rel_index},
      {"mean_rel", difference.mean_rel()},
      {"rmse", difference.rmse()},
      {"snr_db", json_number(difference.snr_db())},
      {"cosine", difference.cosine()},
      {"new_nonfinite", difference.new_nonfinite},
      {"nonfinite_count", difference.nonfinite_count},
      {"nonfinite_changes", difference.nonfinite_changes},
  };
}

Json histogram_json(const std::vector<HistogramBin>& bins) {
  Json result = Json::array();
  for (const HistogramBin& bin : bins) {
    if (bin.count > 0) result.push_back({json_number(bin.lower), json_number(bin.upper), bin.count});
  }
  return result;
}

Json bits_json(const BitsPerWeight& bits) {
  return {{"bits", bits.bits}, {"weights", bits.weights}};
}

Json seed_json(const std::optional<uint64_t>& seed) {
  return seed ? Json(*seed) : Json(nullptr);
}

BitsPerWeight output_bits(const RewritePlan& layout) {
  BitsPerWeight sum{0, 0};
  for (const FileLayout& file : layout.layouts) {
    for (const TensorLayout& tensor : file.tensors)
      sum += {tensor.data_bytes * 8, static_cast<uint64_t>(tensor.source->value_count)};
  }
  return sum;
}

Json plan_totals_json(const Plan& plan, const RewritePlan& layout) {
  BitsPerWeight file = output_bits(layout);
  return {{"chosen_bits_per_weight", plan.chosen_bits.value()},
          {"requested_bits_per_weight", plan.requested_bits.value()},
          {"achieved_bits_per_weight", plan.achieved_bits.value()},
          {"model_requested_bits_per_weight", plan.model_requested_bits.value()},
          {"model_bits_per_weight", plan.model_bits.value()},
          {"file_bits_per_weight", file.value()},
          {"requested", bits_json(plan.requested_bits)},
          {"achieved", bits_json(plan.achieved_bits)},
          {"model_requested", bits_json(plan.model_requested_bits)},
          {"model", bits_json(plan.model_bits)},
          {"file", bits_json(file)},
          {"bytes_before", layout.bytes_before},
          {"bytes_after", layout.bytes_after}};
}

Json planned_tensor_json(const TensorInfo& info, const PlannedTensor& planned, TensorType type_after) {
  return {{"name", info.name},
          {"format", planned.format.name},
          {"rule", planned.rule},
          {"type_before", name_of(info.type)},
          {"type_after", name_of(type_after)},
          {"bits_per_weight", planned.bits.value()},
          {"requested_bits_per_weight", planned.bits.value()},
          {"achieved_bits_per_weight", planned.bits.value()}};
}

Json tensor_result_json(const TensorInfo& info, const PlannedTensor& planned, const TensorResult& result) {
  Json json = planned_tensor_json(info, planned, result.type_after);
  json.update(difference_json(result.difference));
  json["store_max_abs"] = result.store_max_abs;
  json["store_changed_count"] = result.store_changed_count;
  json["saturated_infinities"] = result.saturated_infinities;
  return json;
}

Json skipped_tensor_json(const TensorInfo& info, const SkippedTensor& skipped) {
  return {{"name", info.name},
          {"format", skipped.format},
          {"rule", skipped.rule},
          {"reason", skipped.reason},
          {"type", name_of(info.type)},
          {"requested_bits_per_weight", skipped.requested_bits.value()},
          {"achieved_bits_per_weight", skipped.achieved_bits.value()}};
}

Json total_json(const Difference& total, std::span<const TensorResult> tensors) {
  Json json = difference_json(total);
  double store_max_abs = 0;
  for (const TensorResult& tensor : tensors) store_max_abs = std::max(store_max_abs, tensor.store_max_abs);
  json["store_max_abs"] = store_max_abs;
  return json;
}

}  // namespace fakequant
