#pragma once
// The measures of a difference as columns of a table.

#include <string>
#include <vector>

#include "analysis/difference.h"
#include "cli/table.h"

namespace fakequant::cli {

// max abs, mean abs, max rel, mean rel, RMSE, SNR dB, cosine; infinite when values differ by NaN or Inf.
std::vector<Table::Column> measure_columns();
std::vector<std::string> measure_cells(const Difference& difference);

}  // namespace fakequant::cli
