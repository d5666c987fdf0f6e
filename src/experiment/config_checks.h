#pragma once
// What the parts of an experiment say of each other: names twice, stages that are not there, conditions on what is not measured.

#include <string>

#include "experiment/config.h"
#include "select/toml_file.h"

namespace fakequant {

// Reports what is there twice, variants whose caches cannot be had, and too many variants.
void check_config(const ExperimentConfig& config, TomlProblems& problems);

// Reports a condition whose metric nothing measures.
void check_measured(const ExperimentConfig& config, const Condition& condition, size_t line,
                    TomlProblems& problems);

// Reports a stage of a criterion that is not there.
void check_stage(const ExperimentConfig& config, const std::string& stage, size_t line,
                 const std::string& place, TomlProblems& problems);

// Reports a type of the cache of values that llama.cpp does not take with these settings. `place` is what the problem begins with.
void check_cache_v(const ConfigSettings& settings, TensorType type, size_t line, const std::string& place,
                   TomlProblems& problems);

}  // namespace fakequant
