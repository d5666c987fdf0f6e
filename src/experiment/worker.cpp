#include "experiment/worker.h"

#include <fmt/format.h>

#include <chrono>
#include <new>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "experiment/measures.h"
#include "experiment/model_bench.h"
#include "experiment/protocol.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

class Worker {
 public:
  Worker(const WorkerChannel& channel, WorkerBegin begin, const DemoFiles& demo)
      : channel_(channel),
        limit_(begin.threads),
        plan_(plan(begin, demo)),
        bench_(plan_, static_cast<int>(max_thread_slots()), std::move(begin.broken)) {}

  // Looks at a model and answers.
  void answer(const WorkerCheck& request) {
    if (request.model >= plan_.models.size()) throw Error("a worker's request: found a model that is none");
    send(WorkerProblems{bench_.problems(request.model)});
  }

  // Makes one measurement and answers.
  void answer(const WorkerMeasure& request) {
    if (request.index >= plan_.measurements.size() || plan_.measurements[request.index].id.key != request.key)
      throw Error(
          "the experiment: found another plan than the run's; a file has changed since the run began");
    last_ = {};
    try {
      MeasureContext context{plan_,
                             plan_.measurements[request.index],
                             bench_,
                             static_cast<int>(max_thread_slots()),
                             [this](const WorkerProgress& progress) { report(progress); },
                             [this](const std::string& text) { send(WorkerWarning{text}); }};
      send(WorkerResult{measure(context)});
    } catch (const Error& problem) {
      fail(problem.what());
    } catch (const std::bad_alloc&) {
      fail("not enough memory");
    } catch (const std::exception& problem) {
      fail(problem.what());
    }
  }

 private:
  static ExperimentPlan plan(const WorkerBegin& begin, const DemoFiles& demo) {
    ConfigOverrides overrides = begin.overrides;
    overrides.demo = demo;
    return plan_experiment(parse_experiment(begin.source, begin.path, overrides), Progress::Mode::silent,
                           begin.hashes);
  }

  void send(const WorkerAnswer& answer) { channel_.send(to_line(answer)); }

  // Nothing that is half done stays in memory: the next measurement begins afresh.
  void fail(const std::string& why) {
    bench_.clear();
    send(WorkerFailure{why, last_.baseline});
  }

  // As often as a person can see, and whenever the work becomes the baseline's or the variant's.
  void report(const WorkerProgress& progress) {
    constexpr auto kPause = std::chrono::milliseconds(100);
    Clock::time_point now = Clock::now();
    bool is_due = now >= next_report_ || progress.baseline != last_.baseline;
    last_ = progress;
    if (!is_due) return;
    next_report_ = now + kPause;
    send(progress);
  }

  const WorkerChannel& channel_;
  ThreadLimit limit_;
  ExperimentPlan plan_;
  ModelBench bench_;
  WorkerProgress last_;
  Clock::time_point next_report_;
};

std::optional<WorkerRequest> next_request(const WorkerChannel& channel) {
  std::string line;
  if (!channel.receive(line)) return std::nullopt;
  return parse_request(line);
}

}  // namespace

void serve_worker(const WorkerChannel& channel, const DemoFiles& demo) {
  std::optional<WorkerRequest> first = next_request(channel);
  if (!first) return;
  auto* begin = std::get_if<WorkerBegin>(&*first);
  if (begin == nullptr) throw Error("a worker's first request: found another one, wanted an experiment");
  std::optional<Worker> worker;
  try {
    worker.emplace(channel, std::move(*begin), demo);
  } catch (const Error& problem) {
    channel.send(to_line(WorkerFailure{problem.what(), false}));
    return;
  }
  channel.send(to_line(WorkerReady{}));
  while (std::optional<WorkerRequest> request = next_request(channel)) {
    if (const auto* check = std::get_if<WorkerCheck>(&*request)) {
      worker->answer(*check);
    } else if (const auto* measure = std::get_if<WorkerMeasure>(&*request)) {
      worker->answer(*measure);
    } else {
      throw Error("a worker's request: found a second experiment, wanted a measurement");
    }
  }
}

}  // namespace fakequant
