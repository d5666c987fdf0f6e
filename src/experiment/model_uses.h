#pragma once
// What the models of a plan are needed for: run by llama.cpp or only read, by themselves or beside a baseline. Opens nothing.

#include <cstddef>
#include <vector>

#include "experiment/experiment_plan.h"

namespace fakequant {

// Models (into ExperimentPlan::models) that texts are read or made with, each once: what they cannot do is known before anything is
// measured. Baselines come last, since what is compared with one is opened together with it. Those that are only inspected, rounded or loaded are not among them: whether they load is a finding.
std::vector<size_t> models_that_run(const ExperimentPlan& plan);

// Whether texts are read or made with the model as a baseline.
bool is_baseline(const ExperimentPlan& plan, size_t model);

// The models that run in memory with a baseline, itself first, each once.
std::vector<size_t> models_with(const ExperimentPlan& plan, size_t baseline);

// Tokens of a chunk of all that is compared with a baseline: as the experiment says, else what `evaluate` takes for them together.
int settled_context(const ExperimentPlan& plan, size_t baseline);

}  // namespace fakequant
