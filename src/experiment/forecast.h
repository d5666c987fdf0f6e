#pragma once
// How long an experiment will take, from a short timing of its models. Knows no models in memory: who has timed them says how fast
// they are.

#include <vector>

#include "experiment/experiment_plan.h"

namespace fakequant {

// How fast a model is, with all the threads that a run has.
struct ModelTiming {
  double load_seconds = 0;
  double chunk_seconds = 0;   // to read one chunk of a text, where many are read
  double token_seconds = 0;   // to make one token of one text, where many texts are made
  double weight_seconds = 0;  // to look at one weight
  double threads = 1;         // that work at the same time in the above; speed is measured with one of them
  std::vector<size_t> text_chunks;  // that each text of the experiment has for it
};

struct Forecast {
  std::vector<double> seconds;  // by measurement of the plan; 0 for one that another of the same key gives
  double total = 0;
  double of_variant(const ExperimentPlan& plan, size_t variant) const;
};

// `timings` are by model of the plan; those of files that are variants are not looked at.
Forecast forecast(const ExperimentPlan& plan, const std::vector<ModelTiming>& timings);

}  // namespace fakequant
