#pragma once
#include "experiment/measure_context.h"
namespace fakequant {
class ModelBench {
 public:
  ModelBench(const ExperimentPlan&, int) {}
  void clear() {}
};
}  // namespace fakequant
