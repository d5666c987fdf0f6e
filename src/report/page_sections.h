#pragma once
// The sections of a report's page, as HTML, in the order in which they are read. Knows what a run found; not the page around them.

#include <string>
#include <vector>

#include "record/run_folder.h"
#include "report/run_comparison.h"
#include "report/run_report.h"

namespace fakequant::report {

struct PageSection {
  const char* id;
  const char* title;
  std::string html;
};

// Those that have something in them. `charts` is the HTML of the charts, which is a section too.
std::vector<PageSection> page_sections(const RunReport& report, const RunFolder& folder, std::string charts);

// Those of a comparison of two runs: its sentences and its tables.
std::vector<PageSection> comparison_sections(const RunComparison& comparison);

// The lines under the page's title and at its end.
std::string page_lead(const RunReport& report);
std::string page_foot(const RunReport& report);

}  // namespace fakequant::report
