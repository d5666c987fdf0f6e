#pragma once
// The files of an experiment's variants, written into the run's folder where the experiment wants them. Measures nothing.

#include <functional>
#include <string>

#include "experiment/experiment_plan.h"

namespace fakequant {

// The folder in a run's folder.
inline constexpr const char* kVariantFolder = "files";

// Writes what `quantize` would write of each variant that has a plan and a record in the folder, NAME-KEY.gguf with eight digits of its first
// measurement's key, whole or not at all; those that are there stay. `say` is told of each file. Throws Error as rewrite() does.
void write_variant_files(const ExperimentPlan& plan, const std::string& folder, Progress::Mode progress,
                         const std::function<void(const std::string&)>& say);

}  // namespace fakequant
