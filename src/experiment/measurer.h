#pragma once
// Who makes a run's measurements, as the run sees it: one at a time, each with a result, a reason why there is none, or given up. Knows
// neither processes nor models.

#include <functional>
#include <string>
#include <vector>

#include "experiment/experiment_plan.h"
#include "experiment/protocol.h"

namespace fakequant {

struct MeasurementOutcome {
  enum class State {
    measured,
    failed,     // it cannot be made; that is a finding
    abandoned,  // somebody wanted to stop: as if it had not been begun
  };
  State state = State::abandoned;
  Json result = {};
  std::string failure = "";
  bool baseline_failed = false;  // the failure is the baseline's
  std::vector<std::string> warnings = {};
};

class Measurer {
 public:
  using OnProgress = std::function<void(const WorkerProgress&)>;

  virtual ~Measurer() = default;
  // `index` is into ExperimentPlan::measurements. Throws Error where no measurement can be made at all.
  virtual MeasurementOutcome measure(size_t index, const Measurement& measurement,
                                     const OnProgress& progress) = 0;
};

}  // namespace fakequant
