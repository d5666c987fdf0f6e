#include "cli/json.h"

#include <cmath>

namespace fakequant::cli {

Json json_number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

Json json_number(const std::optional<double>& value) {
  return value ? json_number(*value) : Json(nullptr);
}

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

}  // namespace fakequant::cli
