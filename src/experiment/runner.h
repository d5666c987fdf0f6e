#pragma once
// Carries out an experiment: makes what no record has, in the order of the plan, decides about stages and stops early. Knows neither
// processes nor terminals, nor how anything is measured.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiment/decisions.h"
#include "experiment/measurer.h"
#include "experiment/run_journal.h"
#include "experiment/time_left.h"

namespace fakequant {

// Where a run is.
struct RunStep {
  const Measurement* measurement;
  size_t number;  // from 1, of all that the experiment wants
  size_t count;
  TimeLeft::Estimate left;  // for everything from this measurement on, as far as it is known
};

// Who looks on. Does nothing where a run is of no interest.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void begins(const RunStep&) {}
  virtual void progresses(const RunStep&, const WorkerProgress&) {}
  virtual void ends(const RunStep&, const MeasurementOutcome&, double /*seconds*/) {}
  virtual void states(const Json& /*criterion or decision*/) {}
};

enum class RunEnd {
  done,         // everything that decisions left to be made is made
  stopped,      // a criterion or the time limit ended it early
  interrupted,  // somebody wanted to stop
};

// "done", "stopped" or "interrupted": as the log has it.
const char* word_of(RunEnd end);

struct RunStop {
  RunEnd end;
  std::string text;  // why
};

struct RunOptions {
  bool retry = false;  // make again what has failed
  // Whether somebody wants to stop; asked before every measurement.
  std::function<std::optional<RunStop>()> stop_wanted = [] { return std::nullopt; };
};

struct RunResult {
  RunEnd end = RunEnd::done;
  std::string text;      // why it ended, where it is not done
  size_t measured = 0;   // in this run, failed ones included
  size_t kept = 0;       // records that were there
  size_t failed = 0;     // of both, how many have no result
  bool crossed = false;  // a criterion failed
};

class Runner {
 public:
  // All of them must outlive it.
  Runner(const ExperimentPlan& plan, RunJournal& journal, Measurer& measurer, RunObserver& observer,
         RunOptions options);

  // Makes what is missing. Throws Error where no measurement can be made at all, or the journal cannot be written; what was
  // measured before is in it then.
  RunResult run();
  // What was made until now: where run() threw.
  const RunResult& so_far() const { return result_; }

 private:
  // A stage with what belongs to it, into ExperimentPlan::measurements.
  struct StageWork {
    size_t stage;
    std::vector<size_t> measurements;
  };
  std::vector<StageWork> work_by_stage() const;
  bool runs(size_t stage);
  // These three return false where the run ends early.
  bool run_stage(const StageWork& work);
  bool provide(size_t index);
  bool measure(size_t index);

  void judge(const std::string& stage);
  // Of the criteria that end the run and are for a stage, those with that outcome: reasons of a decision.
  Json stop_reasons(const std::string& stage, const char* outcome) const;
  bool stops_after(const std::string& stage);
  void withdraw_stop(const std::string& stage);
  std::optional<std::string> baseline_failure(const Measurement& measurement) const;
  void learn_failure(const Measurement& measurement, const std::string& text, bool is_of_baseline);
  RunStep step(size_t index) const;
  FindRecord finder() const;
  void state(Json record);

  const ExperimentPlan& plan_;
  RunJournal& journal_;
  Measurer& measurer_;
  RunObserver& observer_;
  RunOptions options_;
  RunResult result_;
  TimeLeft time_left_;
  std::vector<size_t> to_make_;   // in order, of stages that are not left out; measured ones are removed
  std::vector<std::string> ran_;  // stages that were not left out, as far as the run is
  std::set<std::string> made_;    // keys of what this run has made
  std::map<std::string, std::string> broken_baselines_;  // why, by what they do
};

}  // namespace fakequant
