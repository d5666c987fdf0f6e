#pragma once
// A report as one page of GitHub-flavoured Markdown. Knows what stands where in it.

#include <string>

#include "report/run_comparison.h"
#include "report/run_report.h"

namespace fakequant::report {

// The whole page. Every number has the line of the journal that it comes from, as [J12]. Long tables are cut, with a note of where all
// of their rows are. The same report gives the same text.
std::string markdown_report(const RunReport& report);

// The same for two runs.
std::string markdown_comparison(const RunComparison& comparison);

// What the first line of both is: a comment that no reader sees, by which such a file is known again.
inline constexpr const char* kMarkdownMark = "<!-- fakequant report -->";

}  // namespace fakequant::report
