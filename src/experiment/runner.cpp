#include "experiment/runner.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

// What a baseline does that measurements of the same model share: it reads a text, or makes texts. Nothing for those
// that need none of it.
std::optional<std::string> baseline_work(const MeasurementId& id) {
  if (id.kind == "perplexity" || id.kind == "divergence") return id.model + " reads " + id.text;
  if (id.kind == "generation") return id.model + " makes texts";
  return std::nullopt;
}

}  // namespace

const char* word_of(RunEnd end) {
  if (end == RunEnd::done) return "done";
  return end == RunEnd::stopped ? "stopped" : "interrupted";
}

Runner::Runner(const ExperimentPlan& plan, RunJournal& journal, Measurer& measurer, RunObserver& observer,
               RunOptions options)
    : plan_(plan),
      journal_(journal),
      measurer_(measurer),
      observer_(observer),
      options_(std::move(options)) {}

FindRecord Runner::finder() const {
  return [this](const std::string& key) { return journal_.find(key); };
}

// What belongs to no variant belongs to the stage of the variant that comes next: it is measured for that.
std::vector<Runner::StageWork> Runner::work_by_stage() const {
  const std::vector<ConfigStage>& stages = plan_.config.stages;
  std::vector<StageWork> work;
  for (size_t i = 0; i < stages.size(); ++i) work.push_back({i, {}});
  size_t stage = stages.size() - 1;
  for (size_t i = plan_.measurements.size(); i > 0; --i) {
    const Measurement& measurement = plan_.measurements[i - 1];
    if (measurement.variant) {
      const std::string& name = plan_.variants[*measurement.variant].stage;
      auto found = std::ranges::find(stages, name, &ConfigStage::name);
      FQ_CHECK(found != stages.end());
      stage = static_cast<size_t>(found - stages.begin());
    }
    work[stage].measurements.push_back(i - 1);
  }
  for (StageWork& one : work) std::ranges::reverse(one.measurements);
  return work;
}

RunResult Runner::run() {
  for (const PlanWarning& warning : plan_.warnings) journal_.remark(warning);
  std::vector<StageWork> work = work_by_stage();
  for (const StageWork& stage : work) {
    for (size_t index : stage.measurements) {
      const Json* record = journal_.find(plan_.measurements[index].id.key);
      if (record == nullptr) {
        to_make_.push_back(index);
      } else if (record->contains("seconds") && record->contains("result")) {
        time_left_.learn(plan_.measurements[index], record->value("seconds", 0.0));
      }
    }
  }
  for (const StageWork& stage : work) {
    if (!run_stage(stage)) break;
  }
  return result_;
}

bool Runner::runs(size_t stage) {
  if (plan_.config.stages[stage].conditions.empty()) return true;
  Json decision = stage_decision(plan_, stage, ran_, finder());
  bool runs = decision["action"] == "run";
  state(std::move(decision));
  return runs;
}

bool Runner::run_stage(const StageWork& work) {
  const std::string& name = plan_.config.stages[work.stage].name;
  if (!runs(work.stage)) {
    std::erase_if(to_make_, [&](size_t index) {
      return std::ranges::find(work.measurements, index) != work.measurements.end();
    });
    withdraw_stop(name);
    return true;
  }
  ran_.push_back(name);
  for (size_t i = 0; i < work.measurements.size(); ++i) {
    size_t index = work.measurements[i];
    if (!provide(index)) return false;
    std::optional<size_t> variant = plan_.measurements[index].variant;
    bool is_last =
        i + 1 == work.measurements.size() || plan_.measurements[work.measurements[i + 1]].variant != variant;
    if (variant && is_last && stops_after(name)) {
      judge(name);
      return false;
    }
  }
  judge(name);
  withdraw_stop(name);
  return true;
}

// Makes a measurement unless it is there.
bool Runner::provide(size_t index) {
  const Measurement& measurement = plan_.measurements[index];
  const Json* record = journal_.find(measurement.id.key);
  bool is_failure = record != nullptr && record->contains("failure");
  // A key twice in a plan is one measurement: made in this run, it is not made again.
  bool is_new = record != nullptr && made_.contains(measurement.id.key);
  if (record == nullptr || (is_failure && options_.retry && !is_new)) return measure(index);
  if (is_failure)
    learn_failure(measurement, record->value("failure", ""), record->value("baseline_failed", false));
  journal_.keep(measurement);
  ++result_.kept;
  result_.failed += is_failure ? 1 : 0;
  std::erase(to_make_, index);
  return true;
}

bool Runner::measure(size_t index) {
  const Measurement& measurement = plan_.measurements[index];
  if (std::optional<RunStop> stop = options_.stop_wanted()) {
    result_.end = stop->end;
    result_.text = stop->text;
    return false;
  }
  RunStep at = step(index);
  observer_.begins(at);
  Clock::time_point start = Clock::now();
  MeasurementOutcome outcome;
  if (std::optional<std::string> reason = baseline_failure(measurement)) {
    outcome.state = MeasurementOutcome::State::failed;
    outcome.failure = "not tried, for its baseline failed: " + *reason;
  } else {
    outcome = measurer_.measure(index, measurement,
                                [&](const WorkerProgress& progress) { observer_.progresses(at, progress); });
  }
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (outcome.state == MeasurementOutcome::State::abandoned) {
    RunStop stop =
        options_.stop_wanted().value_or(RunStop{RunEnd::interrupted, "a measurement was given up"});
    result_.end = stop.end;
    result_.text = stop.text;
    return false;
  }
  journal_.add(measurement, outcome, seconds);
  made_.insert(measurement.id.key);
  ++result_.measured;
  if (outcome.state == MeasurementOutcome::State::failed) {
    ++result_.failed;
    learn_failure(measurement, outcome.failure, outcome.baseline_failed);
  } else {
    time_left_.learn(measurement, seconds);
  }
  std::erase(to_make_, index);
  observer_.ends(at, outcome, seconds);
  return true;
}

std::optional<std::string> Runner::baseline_failure(const Measurement& measurement) const {
  std::optional<std::string> work = baseline_work(measurement.id);
  if (!work) return std::nullopt;
  auto found = broken_baselines_.find(*work);
  return found == broken_baselines_.end() ? std::nullopt : std::optional(found->second);
}

// A baseline that failed once is not tried again for every variant.
void Runner::learn_failure(const Measurement& measurement, const std::string& text, bool is_of_baseline) {
  std::optional<std::string> work = baseline_work(measurement.id);
  if (work && (is_of_baseline || measurement.id.kind == "perplexity"))
    broken_baselines_.try_emplace(*work, text);
}

void Runner::judge(const std::string& stage) {
  for (const ConfigCriterion& criterion : plan_.config.criteria) {
    if (!is_for(criterion, stage)) continue;
    Json record = criterion_record(criterion, plan_, stage, finder());
    result_.crossed = result_.crossed || record["outcome"] == "fail";
    state(std::move(record));
  }
}

Json Runner::stop_reasons(const std::string& stage, const char* outcome) const {
  Json reasons = Json::array();
  for (const ConfigCriterion& criterion : plan_.config.criteria) {
    if (!criterion.stops || !criterion.condition || !is_for(criterion, stage)) continue;
    if (criterion_record(criterion, plan_, stage, finder())["outcome"] == outcome)
      reasons.push_back(reason_in(*criterion.condition, plan_, stage, finder()));
  }
  return reasons;
}

// Whether a criterion that ends the run has failed; then the decision is recorded.
bool Runner::stops_after(const std::string& stage) {
  Json reasons = stop_reasons(stage, "fail");
  if (reasons.empty()) return false;
  result_.end = RunEnd::stopped;
  result_.text =
      fmt::format("{} does not hold in stage '{}'", reasons.front()["check"].get<std::string>(), stage);
  state({{"kind", "decision"}, {"stage", stage}, {"action", "stop"}, {"reasons", std::move(reasons)}});
  return true;
}

// An earlier run may have ended in this stage for a measurement that was made again since.
void Runner::withdraw_stop(const std::string& stage) {
  if (!journal_.has_stopped(stage)) return;
  state({{"kind", "decision"},
         {"stage", stage},
         {"action", "go_on"},
         {"reasons", stop_reasons(stage, "pass")}});
}

void Runner::state(Json record) {
  observer_.states(record);
  journal_.state(std::move(record));
}

RunStep Runner::step(size_t index) const {
  std::vector<const Measurement*> open;
  for (size_t wanted : to_make_) open.push_back(&plan_.measurements[wanted]);
  return {&plan_.measurements[index], index + 1, plan_.measurements.size(), time_left_.of(open)};
}

}  // namespace fakequant
