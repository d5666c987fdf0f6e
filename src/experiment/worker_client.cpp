#include "experiment/worker_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// The worker has ended: how, as a sentence.
class WorkerDied : public Error {
 public:
  using Error::Error;
};

constexpr std::string_view kProgramPrefix = "fakequant: ";

auto clock_time(WorkerOptions::Seconds seconds) {
  return std::chrono::duration_cast<ChildProcess::Clock::duration>(seconds);
}

std::string shown_seconds(WorkerOptions::Seconds seconds) {
  return fmt::format("{:g} s", seconds.count());
}

}  // namespace

WorkerClient::WorkerClient(WorkerOptions options, StopSignals& stop, std::function<void()> on_stop)
    : options_(std::move(options)), stop_(stop), on_stop_(std::move(on_stop)) {}

std::optional<WorkerClient::TimePoint> WorkerClient::Deadline::earlier() const {
  if (!limit || !stop) return limit ? limit : stop;
  return std::min(*limit, *stop);
}

// The sentence that the worker wrote before it ended; else how it ended, which only the system knows.
std::string WorkerClient::death() const {
  std::string words = child_->last_words();
  if (words.starts_with(kProgramPrefix)) return printable(words.substr(kProgramPrefix.size()));
  std::string sentence = "the process that measures " + child_->ending();
  if (child_->ending().find("SIGKILL") != std::string::npos)
    sentence += ", as the system does where memory runs out";
  if (!words.empty()) sentence += "; its last words: " + printable(words);
  return sentence;
}

void WorkerClient::look_for_stop(Deadline& deadline) {
  TimePoint now = Clock::now();
  bool is_over = options_.end_of_run && now >= *options_.end_of_run;
  if (stop_.count() == 0 && !is_over) return;
  if (stop_.count() > 1) deadline.stop = now;
  if (!deadline.stop) deadline.stop = now + clock_time(options_.grace);
  if (!told_) on_stop_();
  told_ = true;
}

std::optional<WorkerAnswer> WorkerClient::next_answer(Deadline& deadline) {
  std::string line;
  while (true) {
    stop_.clear();
    look_for_stop(deadline);
    std::optional<TimePoint> until = deadline.earlier();
    if (!deadline.stop && options_.end_of_run)
      until = std::min(until.value_or(TimePoint::max()), *options_.end_of_run);
    switch (child_->receive(line, until, stop_.descriptor())) {
      case ChildProcess::Event::line:
        return parse_answer(line);
      case ChildProcess::Event::ended:
        throw WorkerDied("{}", death());
      case ChildProcess::Event::woken:
        break;
      case ChildProcess::Event::late:
        if (deadline.earlier() && Clock::now() >= *deadline.earlier()) return std::nullopt;
        break;
    }
  }
}

// Has a worker that knows the plan.
bool WorkerClient::start(Deadline& deadline) {
  if (child_ != nullptr) return true;
  child_ = std::make_unique<ChildProcess>(options_.command);
  child_->send(to_line(WorkerRequest(options_.begin)));
  std::optional<WorkerAnswer> answer;
  try {
    answer = next_answer(deadline);
  } catch (const WorkerDied& death) {
    child_.reset();
    throw Error("{}", death.what());
  }
  if (!answer) return false;
  if (const auto* failure = std::get_if<WorkerFailure>(&*answer)) throw Error("{}", failure->text);
  if (!std::holds_alternative<WorkerReady>(*answer))
    throw Error("the process that measures: found another answer to its first request, wanted `ready`");
  options_.check_files();
  return true;
}

bool WorkerClient::look_at(size_t model, Deadline& deadline, std::vector<std::string>& problems) {
  std::optional<WorkerAnswer> answer;
  try {
    child_->send(to_line(WorkerRequest(WorkerCheck{model})));
    answer = next_answer(deadline);
  } catch (const Error& problem) {
    child_.reset();
    options_.begin.broken[model] = problem.what();
    return true;
  }
  if (!answer) return false;
  const auto* found = std::get_if<WorkerProblems>(&*answer);
  if (found == nullptr)
    throw Error("the process that measures: found another answer about a model, wanted its problems");
  for (const std::string& text : found->texts) {
    if (std::ranges::find(problems, text) == problems.end()) problems.push_back(text);
  }
  return true;
}

bool WorkerClient::look_at_models(Deadline& deadline) {
  std::vector<std::string> problems;
  for (size_t model : options_.models) {
    if (!start(deadline) || !look_at(model, deadline, problems)) return false;
  }
  if (!problems.empty()) throw Error("{}", join(problems, "\n"));
  has_looked_ = true;
  return true;
}

bool WorkerClient::begin(Deadline& deadline) {
  if (!has_looked_ && !look_at_models(deadline)) return false;
  return start(deadline);
}

// Reads the answers to one request into `outcome`; false when that takes too long.
bool WorkerClient::follow(const OnProgress& progress, Deadline& deadline, MeasurementOutcome& outcome) {
  using State = MeasurementOutcome::State;
  while (true) {
    std::optional<WorkerAnswer> answer = next_answer(deadline);
    if (!answer) return false;
    if (auto* step = std::get_if<WorkerProgress>(&*answer)) {
      // Loading and the baseline have their own time: they come again in a run that goes on, where others had them ready.
      if (baseline_at_work_ && !step->baseline && deadline.limit)
        deadline.limit = Clock::now() + clock_time(*options_.most_per_measurement);
      baseline_at_work_ = step->baseline;
      progress(*step);
    } else if (auto* warning = std::get_if<WorkerWarning>(&*answer)) {
      outcome.warnings.push_back(std::move(warning->text));
    } else if (auto* made = std::get_if<WorkerResult>(&*answer)) {
      outcome.state = State::measured;
      outcome.result = std::move(made->result);
      return true;
    } else if (auto* failure = std::get_if<WorkerFailure>(&*answer)) {
      outcome.state = State::failed;
      outcome.failure = std::move(failure->text);
      outcome.baseline_failed = failure->baseline;
      return true;
    } else {
      throw Error("the process that measures: found another answer, wanted that to a measurement");
    }
  }
}

// The worker is busy with what nobody waits for any more.
MeasurementOutcome WorkerClient::overdue(const Deadline& deadline) {
  child_.reset();
  if (deadline.stop && Clock::now() >= *deadline.stop) return {};
  MeasurementOutcome outcome;
  outcome.state = MeasurementOutcome::State::failed;
  outcome.failure = fmt::format("took longer than the {} that a measurement may take",
                                shown_seconds(*options_.most_per_measurement));
  outcome.baseline_failed = baseline_at_work_;
  return outcome;
}

MeasurementOutcome WorkerClient::measure(size_t index, const Measurement& measurement,
                                         const OnProgress& progress) {
  Deadline deadline;
  if (!begin(deadline)) return overdue(deadline);
  if (options_.most_per_measurement)
    deadline.limit = Clock::now() + clock_time(*options_.most_per_measurement);
  MeasurementOutcome outcome;
  baseline_at_work_ = false;
  try {
    child_->send(to_line(WorkerRequest(WorkerMeasure{index, measurement.id.key})));
    if (!follow(progress, deadline, outcome)) return overdue(deadline);
  } catch (const Error& problem) {
    // It died, or said something that is no answer: then nothing that it says can be relied on.
    child_.reset();
    outcome.state = MeasurementOutcome::State::failed;
    outcome.failure = problem.what();
    outcome.baseline_failed = baseline_at_work_;
  }
  options_.check_files();
  return outcome;
}

}  // namespace fakequant
