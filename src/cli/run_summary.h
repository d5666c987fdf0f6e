#pragma once
// A run's results when it ends: a table of the variants, what is worth a sentence, how it ended, and where everything is. Measures
// nothing.

#include "base/json.h"
#include "experiment/experiment_run.h"
#include "report/run_report.h"

namespace fakequant::cli {

// Prints the results of the run's folder and its end. `written` are the paths of reports.
void print_summary(const RunFolder& run, const report::RunReport& report, const RunOutcome& outcome,
                   const std::vector<std::string>& written);

// The end of a run for programs.
Json summary_json(const std::string& folder, const RunOutcome& outcome,
                  const std::vector<std::string>& written);

}  // namespace fakequant::cli
