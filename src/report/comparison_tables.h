#pragma once
// The tables of a comparison of two runs. Knows no sentences.

#include <vector>

#include "report/run_pairs.h"
#include "report/tables.h"

namespace fakequant::report {

// Those that have rows; RunComparison lists them.
std::vector<ReportTable> comparison_tables(const RunPairs& pairs);

}  // namespace fakequant::report
