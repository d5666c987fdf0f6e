#include "experiment/experiment_run.h"

#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "experiment/model_uses.h"
#include "experiment/run_log.h"
#include "experiment/run_place.h"
#include "experiment/watched_files.h"
#include "experiment/worker_client.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Say = std::function<void(const std::string&)>;

constexpr int kDiskPauseMs = 2000;
constexpr auto kDiskReminder = std::chrono::seconds(60);

// Waits for room on the disk until somebody wants to stop.
class DiskWait {
 public:
  DiskWait(StopSignals& stop, const Say& say) : stop_(stop), say_(say) {}

  bool operator()(const std::string& problem) {
    Clock::time_point now = Clock::now();
    if (now >= next_) {
      say_(problem + "; nothing is lost: it is tried again every 2 s until there is room. Ctrl-C gives up");
      next_ = now + kDiskReminder;
    }
    pollfd wake{stop_.descriptor(), POLLIN, 0};
    if (stop_.count() == 0) poll(&wake, 1, kDiskPauseMs);
    return stop_.count() == 0;
  }

 private:
  StopSignals& stop_;
  const Say& say_;
  Clock::time_point next_;
};

std::string signal_text(int number) {
  const char* name = sigabbrev_np(number);
  return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
}

WorkerOptions worker_options(const ExperimentPlan& plan, const RunRequest& request, Clock::time_point start) {
  const ConfigLimits& limits = plan.config.limits;
  WorkerOptions options;
  options.check_files = [&plan] { plan.files.check(); };
  options.command = request.worker_command;
  options.begin = request.begin;
  options.models = models_that_run(plan);
  if (limits.seconds_per_measurement) options.most_per_measurement = Seconds(*limits.seconds_per_measurement);
  if (limits.seconds)
    options.end_of_run = start + std::chrono::duration_cast<Clock::duration>(Seconds(*limits.seconds));
  return options;
}

// One run: what its parts share.
class Run {
 public:
  Run(const ExperimentPlan& plan, const RunRequest& request, RunObserver& observer, const Say& say)
      : plan_(plan), request_(request), observer_(observer), say_(say), disk_wait_(stop_, say_) {}

  RunOutcome carry_out() {
    open_run_folder(request_.folder);
    auto on_disk_full = [this](const std::string& problem) { return disk_wait_(problem); };
    std::string path = (std::filesystem::path(request_.folder) / kJournalFile).string();
    Journal journal(path, kRunJournal, on_disk_full);
    if (journal.was_repaired())
      say_(path + ": its last line had been cut short and was removed; what it held is measured again");
    RunLog log(request_.folder, on_disk_full);
    keep_experiment_file(request_.folder, plan_.config.source);
    log.start({request_.command, request_.program, request_.llama_cpp, request_.threads});
    RunOutcome outcome;
    try {
      measure(journal, outcome.result);
    } catch (const Error& problem) {
      if (stop_.count() == 0) {
        outcome.result.text = problem.what();
        end(log, "failed", outcome.result, 1);
        throw;
      }
      // A full disk, mostly, that somebody gave up to wait for.
      outcome.result.end = RunEnd::interrupted;
      outcome.result.text = problem.what();
    }
    outcome.exit_code = exit_code_of(outcome.result, stop_.last());
    end(log, word_of(outcome.result.end), outcome.result, outcome.exit_code);
    return outcome;
  }

 private:
  // `result` is what was made also where it throws.
  void measure(Journal& journal, RunResult& result) {
    RunJournal run_journal(journal, experiment_record(plan_));
    WorkerOptions options = worker_options(plan_, request_, start_);
    std::optional<Clock::time_point> end_of_run = options.end_of_run;
    WorkerClient worker(std::move(options), stop_, [this] { announce_stop(); });
    auto stop_wanted = [this, end_of_run]() -> std::optional<RunStop> {
      if (stop_.count() > 0) return RunStop{RunEnd::interrupted, signal_text(stop_.last())};
      if (!end_of_run || Clock::now() < *end_of_run) return std::nullopt;
      double seconds = *plan_.config.limits.seconds;
      return RunStop{RunEnd::stopped, fmt::format("the {:g} s that a run may take are over", seconds)};
    };
    Runner runner(plan_, run_journal, worker, observer_, {request_.retry, stop_wanted});
    try {
      result = runner.run();
    } catch (const Error&) {
      result = runner.so_far();
      throw;
    }
  }

  void announce_stop() {
    say_(stop_.count() > 0
             ? "stopping: the measurement under way has 5 s to end; Ctrl-C again stops at once"
             : "stopping: the time of the run is over; the measurement under way has 5 s to end");
  }

  void end(RunLog& log, const char* outcome, const RunResult& result, int exit_code) {
    double seconds = Seconds(Clock::now() - start_).count();
    try {
      log.end({outcome, result.measured, result.kept, result.failed, seconds, exit_code, result.text});
    } catch (const Error& problem) {
      // What was measured is in the journal: that its log has no end is no reason to fail.
      say_(problem.what());
    }
  }

  const ExperimentPlan& plan_;
  const RunRequest& request_;
  RunObserver& observer_;
  const Say& say_;
  Clock::time_point start_ = Clock::now();
  StopSignals stop_;
  DiskWait disk_wait_;
};

}  // namespace

int exit_code_of(const RunResult& result, int signal_number) {
  if (result.end == RunEnd::interrupted) return 128 + signal_number;
  if (result.end == RunEnd::stopped || result.crossed) return 3;
  return result.failed > 0 ? 1 : 0;
}

RunOutcome carry_out(const ExperimentPlan& plan, const RunRequest& request, RunObserver& observer,
                     const Say& say) {
  return Run(plan, request, observer, say).carry_out();
}

}  // namespace fakequant
