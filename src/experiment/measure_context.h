#pragma once
// What a measurement is made with, in the worker: the plan, the models in memory, and whom to tell. Knows no processes.

#include <functional>
#include <string>

#include "experiment/experiment_plan.h"
#include "experiment/protocol.h"

namespace fakequant {

class ModelBench;

struct MeasureContext {
  const ExperimentPlan& plan;
  const Measurement& measurement;
  ModelBench& bench;
  int threads;  // that may work
  std::function<void(const WorkerProgress&)> progress;
  std::function<void(const std::string&)> warn;

  // Of measurements that have one (checked).
  const PlannedModel& model() const;
  const ExperimentVariant& variant() const;
  const PlannedText& text() const;
};

}  // namespace fakequant
