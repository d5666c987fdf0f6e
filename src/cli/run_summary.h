#pragma once
// What a run found, as a table for its user, and where it lies. Reads the run's folder, as the report does.

#include "base/json.h"
#include "experiment/experiment_run.h"

namespace fakequant::cli {

// Prints variants with their main numbers, criteria, what failed, and how to go on.
void print_summary(const std::string& folder, const RunOutcome& outcome);

// {schema_version, folder, outcome, text, measured, kept, failed, exit_code}: how the run ended; what it found is in its folder.
Json summary_json(const std::string& folder, const RunOutcome& outcome);

}  // namespace fakequant::cli
