#pragma once
// Measurements made by a worker: another process, which keeps models loaded from one measurement to the next. When it dies the measurement
// under way has failed, and another one goes on. Knows no measures.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiment/child_process.h"
#include "experiment/measurer.h"
#include "experiment/stop_signals.h"

namespace fakequant {

struct WorkerOptions {
  using Seconds = std::chrono::duration<double>;

  std::vector<std::string> command;  // the program and its arguments
  WorkerBegin begin;
  std::vector<size_t> models;                   // that are looked at before anything is measured
  std::optional<Seconds> most_per_measurement;  // beyond it a measurement has failed
  std::optional<ChildProcess::Clock::time_point>
      end_of_run;                             // from then on it is as if somebody wanted to stop
  std::function<void()> check_files = [] {};  // throws Error where a file is not what the plan was made of
  Seconds grace{5};                           // that a measurement may go on for when somebody wants to stop
};

class WorkerClient : public Measurer {
 public:
  // Starts nothing yet. `on_stop` is told once when somebody wants to stop while a measurement is under way.
  WorkerClient(WorkerOptions options, StopSignals& stop, std::function<void()> on_stop);

  // Before the first one, models are looked at. One that ends its worker is broken: what needs it fails, the rest is measured.
  //
  //   throws   Error when a worker cannot plan the experiment, or ends before it has; where models cannot do what is wanted of them,
  //            a line for each reason
  MeasurementOutcome measure(size_t index, const Measurement& measurement,
                             const OnProgress& progress) override;

  // The worker, 0 while there is none.
  pid_t worker_id() const { return child_ ? child_->id() : 0; }

 private:
  using Clock = ChildProcess::Clock;
  using TimePoint = Clock::time_point;

  // Until when the worker is waited for, and why no longer.
  struct Deadline {
    std::optional<TimePoint> limit;  // of the measurement
    std::optional<TimePoint> stop;   // since somebody wants to stop
    std::optional<TimePoint> earlier() const;
  };

  // The next answer. Throws Error when the worker has ended. Nothing when `deadline` is over, or at once when somebody insists on stopping.
  std::optional<WorkerAnswer> next_answer(Deadline& deadline);
  void look_for_stop(Deadline& deadline);
  bool begin(Deadline& deadline);
  // These return false when that takes too long.
  bool start(Deadline& deadline);
  bool look_at_models(Deadline& deadline);
  bool look_at(size_t model, Deadline& deadline, std::vector<std::string>& problems);
  bool follow(const OnProgress& progress, Deadline& deadline, MeasurementOutcome& outcome);
  MeasurementOutcome overdue(const Deadline& deadline);
  std::string death() const;

  WorkerOptions options_;
  StopSignals& stop_;
  std::function<void()> on_stop_;
  bool told_ = false;
  bool has_looked_ = false;  // at models
  bool baseline_at_work_ = false;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace fakequant
