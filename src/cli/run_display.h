#pragma once
// A run as its user follows it on standard error: a line that moves on a terminal, and a line that stays for each measurement. Decides
// nothing.

#include <chrono>
#include <string>

#include "experiment/runner.h"

namespace fakequant::cli {

// "ln PPL ratio +0.0013 +/- 0.0002, KLD 0.0021": what a measurement found, in a few words; "" where there is nothing to say.
std::string found_text(const std::string& kind, const Json& result);

// "v3 'layers 0-2, bf16:rtz': divergence on t1", with names as the experiment gives them.
std::string measurement_text(const ExperimentPlan& plan, const Measurement& measurement);

class RunDisplay : public RunObserver {
 public:
  RunDisplay(const ExperimentPlan& plan, bool quiet);
  ~RunDisplay() override;

  void begins(const RunStep& step) override;
  void progresses(const RunStep& step, const WorkerProgress& progress) override;
  void ends(const RunStep& step, const MeasurementOutcome& outcome, double seconds) override;
  void states(const Json& record) override;

 private:
  using Clock = std::chrono::steady_clock;

  void draw(const RunStep& step, const WorkerProgress& progress);
  std::string number_text(const RunStep& step) const;

  const ExperimentPlan& plan_;
  bool quiet_;
  bool terminal_;
  std::string stage_;  // that was named last
  Clock::time_point start_;
};

}  // namespace fakequant::cli
