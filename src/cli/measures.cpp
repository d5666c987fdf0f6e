#include "cli/measures.h"

#include <fmt/format.h>

namespace fakequant::cli {

std::vector<Table::Column> measure_columns() {
  std::vector<Table::Column> columns;
  for (const char* header : {"max abs", "mean abs", "max rel", "mean rel", "RMSE", "SNR dB", "cosine"}) {
    columns.push_back({header, Table::Align::right});
  }
  return columns;
}

std::vector<std::string> measure_cells(const Difference& difference) {
  // Where a value and NaN or Inf stand against each other no finite number says how far they are.
  if (difference.nonfinite_changes > 0) return {"inf", "inf", "inf", "inf", "inf", "-inf", "-"};
  return {number(difference.max_abs),
          number(difference.mean_abs()),
          number(difference.max_rel),
          number(difference.mean_rel()),
          number(difference.rmse()),
          number(difference.snr_db()),
          fmt::format("{:.8g}", difference.cosine())};
}

}  // namespace fakequant::cli
