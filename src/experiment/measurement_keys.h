#pragma once
// What determines each measurement, and its key. Two measurements have the same key exactly where they give the same result.

#include <string>

#include "experiment/experiment_plan.h"

namespace fakequant {

// The key of a measurement of a plan whose files, variants and settings are there. Neither names nor numbers of threads are in it, but
// for speed, which depends on threads.
std::string measurement_key(const ExperimentPlan& plan, const Measurement& measurement);

}  // namespace fakequant
