#pragma once
// What the parts of an experiment say of each other: names twice, stages that are not there, conditions on what is not measured.

#include "experiment/config.h"
#include "select/toml_file.h"

namespace fakequant {

// Reports what does not fit together.
void check_config(const ExperimentConfig& config, TomlProblems& problems);

}  // namespace fakequant
