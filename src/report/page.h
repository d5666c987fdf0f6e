#pragma once
// A run's report as one HTML page: words, tables, charts, texts, and the journal lines behind every number. The page asks for nothing
// outside of itself. Knows what is said and where; not how charts are drawn.

#include <string>

#include "record/run_folder.h"
#include "report/run_comparison.h"
#include "report/run_report.h"

namespace fakequant::report {

// The whole page, UTF-8, the same for the same folder. `folder` is what `report` was read from: the records that the page's links lead to are
// taken from it. Every string of it is escaped; a policy in the page lets no script run but its own and nothing be loaded.
std::string page_html(const RunReport& report, const RunFolder& folder);

// A comparison of two runs as such a page, without charts.
std::string comparison_html(const RunComparison& comparison);

}  // namespace fakequant::report
