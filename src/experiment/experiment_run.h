#pragma once
// A run of an experiment from its folder to its exit code: journal and log, worker and runner, and how it ends. Prints nothing itself.

#include <functional>
#include <string>
#include <vector>

#include "experiment/experiment_plan.h"
#include "experiment/protocol.h"
#include "experiment/runner.h"

namespace fakequant {

struct RunRequest {
  std::string folder;
  std::vector<std::string> command;         // as it was typed, for the log
  std::vector<std::string> worker_command;  // starts a worker
  WorkerBegin begin;                        // what the worker plans from: as the plan was made
  std::string program;                      // version
  std::string llama_cpp;                    // version
  int threads = 1;                          // that work
  bool retry = false;
};

struct RunOutcome {
  RunResult result;
  int exit_code = 0;
};

// What a run's exit code says: 0 everything is measured; 1 a measurement has failed; 3 a criterion failed, or one of these or
// the time limit ended the run early; 128 and the signal's number where it was interrupted.
int exit_code_of(const RunResult& result, int signal_number);

// Makes what the plan wants and the folder does not have. Stops cleanly on SIGINT, SIGTERM and SIGHUP: the first lets the measurement
// under way go on for a few seconds, the second does not. While the disk is full it waits.
//
//   say      is given sentences for the user
//   throws   Error when the folder is not a run's, another process works in it, or nothing can be measured at all; the log has its end
//            then, where it has the beginning
RunOutcome carry_out(const ExperimentPlan& plan, const RunRequest& request, RunObserver& observer,
                     const std::function<void(const std::string&)>& say);

}  // namespace fakequant
