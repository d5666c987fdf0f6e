#pragma once
// fakequant run --check: what an experiment would measure, the bits of its variants and about how long it takes. Measures nothing but
// the speed of its models.

#include "cli/command.h"
#include "experiment/experiment_plan.h"

namespace fakequant::cli {

// Prints the plan, and writes it as JSON where that was asked for. `threads` are those that a run would have. Returns an exit code;
// throws Error where a model cannot be run or a text is too short for it.
int check_experiment(const ExperimentPlan& plan, int threads, const CommonOptions& common);

}  // namespace fakequant::cli
