#pragma once
// Times a model for a forecast: loads it, reads a few chunks, makes a few tokens. Knows no plans of what is measured.

#include "base/progress.h"
#include "experiment/forecast.h"

namespace fakequant {

// Times model `index` of the plan, which takes about as long as loading it and reading two chunks. Work goes on in as many threads as a
// run would have, four at most, so that what they take from each other, and other programs from them, is in the times.
//
//   threads  that a run would have
//   throws   Error where llama.cpp cannot load or run the model, or a text is too short for it
ModelTiming time_model(const ExperimentPlan& plan, size_t index, int threads);

}  // namespace fakequant
