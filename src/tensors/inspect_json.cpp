#include "tensors/inspect_json.h"

namespace fakequant {

Json tensor_report_json(const TensorInfo& info, const TensorReport& report) {
  Json tensor{{"name", info.name},
              {"type", name_of(info.type)},
              {"shape", info.shape},
              {"count", info.value_count},
              {"bytes", info.data_bytes},
              {"offset", info.data_offset},
              {"effective_precision", report.effective_precision}};
  const ValueFacts facts = report.facts.value_or(ValueFacts());
  const ValueStatistics& s = facts.statistics;
  bool f32 = info.type == TensorType::F32;
  Json values{{"low16_zero_fraction", f32 ? json_number(s.low16_zero_fraction()) : Json(nullptr)},
              {"distinct_count", facts.distinct_count ? Json(*facts.distinct_count) : Json(nullptr)},
              {"min", json_number(s.min())},
              {"max", json_number(s.max())},
              {"mean", json_number(s.mean())},
              {"std", json_number(s.standard_deviation())},
              {"kurtosis", json_number(s.kurtosis())},
              {"largest_outlier_std", json_number(s.largest_outlier())},
              {"zero_count", s.zero_count},
              {"subnormal_count", s.subnormal_count},
              {"nan_count", s.nan_count},
              {"inf_count", s.inf_count},
              {"beyond_f16_count", s.beyond_f16_count},
              {"below_f16_normal_fraction", json_number(s.below_f16_normal_fraction())}};
  for (auto& [key, value] : values.items()) tensor[key] = report.facts ? value : Json(nullptr);
  Json names = Json::array();
  Json details = Json::array();
  for (const GridFinding& grid : report.grids) {
    names.push_back(grid.format);
    details.push_back(
        {{"format", grid.format}, {"scales", grid.scales}, {"bits_per_weight", grid.bits_per_weight}});
  }
  tensor["grids"] = std::move(names);
  tensor["grid_details"] = std::move(details);
  tensor["narrow_type"] = report.narrow_type ? Json(name_of(*report.narrow_type)) : Json(nullptr);
  tensor["narrow_saves_bytes"] = report.narrow_saves_bytes;
  return tensor;
}

Json inspection_json(const Model& model, std::span<const TensorReport> reports) {
  ModelSums sums = sums_of(model);
  Json types = Json::object();
  for (const auto& [name, sum] : sums.types) types[name] = {{"tensors", sum.tensors}, {"bytes", sum.bytes}};
  Json tensors = Json::array();
  uint64_t saved = 0;
  for (const TensorReport& report : reports) {
    tensors.push_back(tensor_report_json(*model.tensors()[report.tensor_index].info, report));
    saved += report.narrow_saves_bytes;
  }
  return {{"file", model.path()},
          {"gguf_version", model.shards()[0].version()},
          {"architecture", model.architecture()},
          {"file_bytes", model.total_bytes()},
          {"weights", sums.weights},
          {"bits_per_weight", sums.bits_per_weight()},
          {"narrow_saves_bytes", saved},
          {"types", types},
          {"tensors", tensors}};
}

}  // namespace fakequant
