#pragma once
// The charts of a report: Vega-Lite specifications with their data, a sentence on each, words for who cannot see them, and the table
// behind. Knows what was measured; not pages, and nothing that draws.

#include <string>
#include <vector>

#include "base/json.h"
#include "report/run_report.h"

namespace fakequant::report {

// A column of the table behind a chart: a field of its data and what people call it, with its unit.
struct ChartColumn {
  std::string field;
  std::string title;
};

struct Chart {
  std::string id;       // "weights": letters and hyphens, the name of files
  std::string title;    // without a unit
  std::string summary;  // what it shows, in a sentence or two; what it leaves out
  std::string alt;      // what can be read from it, from its numbers
  Json spec;            // Vega-Lite 6, whole: data in data.values, nothing from elsewhere
  std::vector<ChartColumn> columns;
};

// The charts that there is something to show in, in the order of a report. The same report gives the same charts. Names of models, tensors
// and variants stand in alt, in the data and where the specification orders it, made printable; who shows them escapes them.
std::vector<Chart> charts(const RunReport& report);

}  // namespace fakequant::report
