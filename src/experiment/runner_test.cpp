#include "experiment/experiment_run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "gguf/testing.h"

namespace fakequant {
namespace {

using gguf_testing::TestFolder;

// What a fake measurement gives: a result, or why there is none.
struct Answer {
  double value = 0;
  std::string failure = "";
  bool baseline_failed = false;
  bool abandoned = false;
  std::vector<std::string> warnings = {};
};

class FakeMeasurer : public Measurer {
 public:
  MeasurementOutcome measure(size_t, const Measurement& measurement, const OnProgress& progress) override {
    made.push_back(measurement.id.key);
    progress({0.5, "half", false});
    Answer answer = answers.contains(measurement.id.key) ? answers[measurement.id.key] : Answer{};
    MeasurementOutcome outcome;
    outcome.warnings = answer.warnings;
    if (answer.abandoned) return outcome;
    outcome.state =
        answer.failure.empty() ? MeasurementOutcome::State::measured : MeasurementOutcome::State::failed;
    outcome.failure = answer.failure;
    outcome.baseline_failed = answer.baseline_failed;
    outcome.result = {{"divergence", {{"ln_ppl_ratio", answer.value}}}};
    return outcome;
  }

  std::map<std::string, Answer> answers;  // by key
  std::vector<std::string> made;
};

// Two stages of two variants each, with one text: the keys are "perplexity", "d1", ..., "d4".
ExperimentPlan small_plan(const std::vector<std::string>& conditions) {
  ExperimentPlan plan;
  plan.config.stages.resize(2);
  for (size_t stage = 0; stage < 2; ++stage) {
    plan.config.stages[stage].name = stage == 0 ? "first" : "second";
    plan.config.stages[stage].variants.resize(2);
  }
  for (const std::string& text : conditions)
    plan.config.stages[1].conditions.push_back(parse_condition(text));
  plan.measurements.push_back({{"perplexity", "perplexity", "m1", "", "t1"}, 0, std::nullopt, 0});
  for (size_t i = 0; i < 4; ++i) {
    const ConfigStage& stage = plan.config.stages[i / 2];
    std::string id = "v" + std::to_string(i + 1);
    plan.variants.push_back(
        {id, id, stage.name, 0, &stage.variants[i % 2], std::nullopt, std::nullopt, "", ""});
    plan.measurements.push_back({{"divergence", "d" + std::to_string(i + 1), "m1", id, "t1"}, 0, i, 0});
  }
  return plan;
}

ConfigCriterion criterion(const std::string& check, bool stops) {
  ConfigCriterion result;
  result.name = check;
  result.condition = parse_condition(check);
  result.stops = stops;
  return result;
}

struct Fixture {
  TestFolder folder;
  std::string path = folder.at("journal.jsonl");
  ExperimentPlan plan = small_plan({"ln_ppl_ratio < 0.05"});
  FakeMeasurer measurer;
  RunObserver nobody;

  RunResult run(RunOptions options = {}) {
    Journal journal(path, kRunJournal, {});
    RunJournal run_journal(journal, {{"kind", "experiment"}, {"title", plan.config.title}});
    return Runner(plan, run_journal, measurer, nobody, options).run();
  }
  std::vector<Record> records() const { return read_journal(path, kRunJournal); }
  // "divergence d1", "decision run", "criterion fail": what the journal's lines are.
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    for (const Record& record : records()) {
      std::string line = record.fields["kind"].get<std::string>();
      for (const char* name : {"key", "action", "outcome"}) {
        if (record.fields.contains(name)) line += " " + record.fields[name].get<std::string>();
      }
      if (record.fields.contains("failure")) line += ": " + record.fields["failure"].get<std::string>();
      result.push_back(line);
    }
    return result;
  }
};

using Lines = std::vector<std::string>;

TEST(Runner, MakesEverythingInTheOrderOfThePlan) {
  Fixture f;
  RunResult result = f.run();
  EXPECT_EQ(f.lines(), (Lines{"experiment", "perplexity perplexity", "divergence d1", "divergence d2",
                              "decision run", "divergence d3", "divergence d4"}));
  EXPECT_EQ(result.measured, 5u);
  EXPECT_EQ(result.kept, 0u);
  EXPECT_EQ(result.end, RunEnd::done);
  EXPECT_FALSE(result.crossed);
}

TEST(Runner, ASecondRunMakesAndSaysNothing) {
  Fixture f;
  f.run();
  Lines before = f.lines();
  f.measurer.made.clear();
  RunResult result = f.run();
  EXPECT_TRUE(f.measurer.made.empty());
  EXPECT_EQ(result.kept, 5u);
  EXPECT_EQ(f.lines(), before);
}

TEST(Runner, LeavesAStageOutWhoseConditionDoesNotHold) {
  Fixture f;
  f.measurer.answers["d2"] = {0.06};
  EXPECT_EQ(f.run().end, RunEnd::done);
  EXPECT_EQ(f.lines().back(), "decision skip");
  Json reason = f.records().back().fields["reasons"][0];
  EXPECT_EQ(reason["worst"], 0.06);
  EXPECT_EQ(reason["variant"], "v2");
  EXPECT_EQ(reason["holds"], false);
}

TEST(Runner, AFailedMeasurementDoesNotHold) {
  Fixture f;
  f.measurer.answers["d1"] = {.failure = "it computed NaN"};
  RunResult result = f.run();
  EXPECT_EQ(result.failed, 1u);
  EXPECT_EQ(f.lines()[2], "divergence d1: it computed NaN");
  EXPECT_EQ(f.lines().back(), "decision skip");
  EXPECT_TRUE(f.records().back().fields["reasons"][0]["worst"].is_null());
}

TEST(Runner, ACriterionThatStopsEndsTheRunAfterItsVariant) {
  Fixture f;
  f.plan.config.criteria.push_back(criterion("ln_ppl_ratio < 0.01", true));
  f.measurer.answers["d1"] = {0.02};
  RunResult result = f.run();
  EXPECT_EQ(result.end, RunEnd::stopped);
  EXPECT_TRUE(result.crossed);
  Lines wanted{"experiment", "perplexity perplexity", "divergence d1", "decision stop", "criterion fail"};
  EXPECT_EQ(f.lines(), wanted);
  f.run();
  EXPECT_EQ(f.lines(), wanted);
}

TEST(Runner, CriteriaAreJudgedOfEachStage) {
  Fixture f;
  f.plan.config.criteria.push_back(criterion("ln_ppl_ratio < 0.01", false));
  f.plan.config.criteria.push_back({});
  f.plan.config.criteria.back().name = "sentences";
  f.measurer.answers["d3"] = {0.02};
  RunResult result = f.run();
  EXPECT_TRUE(result.crossed);
  Lines criteria;
  for (const std::string& line : f.lines()) {
    if (line.starts_with("criterion")) criteria.push_back(line);
  }
  EXPECT_EQ(criteria, (Lines{"criterion pass", "criterion judged", "criterion fail", "criterion judged"}));
}

TEST(Runner, ABaselineThatFailedIsNotTriedAgain) {
  Fixture f;
  f.plan = small_plan({});
  f.measurer.answers["perplexity"] = {.failure = "the model is broken"};
  RunResult result = f.run();
  EXPECT_EQ(f.measurer.made, (Lines{"perplexity"}));
  EXPECT_EQ(result.failed, 5u);
  EXPECT_EQ(f.lines().back(), "divergence d4: not tried, for its baseline failed: the model is broken");
}

// Two variants' texts and speeds, made by one baseline.
ExperimentPlan making_plan() {
  ExperimentPlan plan = small_plan({});
  plan.measurements.clear();
  for (size_t i = 0; i < 2; ++i) {
    std::string id = "v" + std::to_string(i + 1);
    for (const char* kind : {"generation", "speed"})
      plan.measurements.push_back({{kind, kind + id, "m1", id, ""}, 0, i, std::nullopt});
  }
  return plan;
}

TEST(Runner, ABaselineThatFailedAtTextsIsStillTimed) {
  Fixture f;
  f.plan = making_plan();
  f.measurer.answers["generationv1"] = {.failure = "no chat template", .baseline_failed = true};
  f.run();
  EXPECT_EQ(f.measurer.made, (Lines{"generationv1", "speedv1", "speedv2"}));
}

TEST(Runner, ABaselineThatFailedIsNotTriedByARunThatGoesOnEither) {
  Fixture f;
  f.plan = making_plan();
  f.measurer.answers["generationv1"] = {.failure = "no chat template", .baseline_failed = true};
  f.measurer.answers["generationv2"] = {.abandoned = true};
  f.run();
  Lines whole = f.lines();
  // Cut behind the first record, as a kill would.
  std::ifstream in(f.path);
  std::string text, line;
  for (int i = 0; i < 3 && std::getline(in, line); ++i) text += line + "\n";
  std::ofstream(f.path) << text;
  f.measurer.made.clear();
  f.run();
  EXPECT_EQ(f.measurer.made, (Lines{"speedv1", "speedv2"}));
  EXPECT_EQ(f.lines(), whole);
}

TEST(Runner, ACriterionDoesNotPassOnWhatWasNotMeasured) {
  Fixture f;
  f.plan.config.criteria.push_back(criterion("ln_ppl_ratio < 0.01", true));
  f.plan.config.criteria.push_back(criterion("ln_ppl_ratio < 0.5", false));
  f.measurer.answers["d1"] = {0.02};
  f.run();
  EXPECT_EQ(f.lines().back(), "criterion unmeasured");
  const Json values = f.records().back().fields["values"];
  ASSERT_EQ(values.size(), 2U);
  EXPECT_EQ(values[0]["value"], 0.02);
  EXPECT_TRUE(values[1]["value"].is_null());
}

TEST(Runner, ConditionsAskStagesThatRan) {
  Fixture f;
  f.plan = small_plan({"ln_ppl_ratio < 0.05"});
  ConfigStage third;
  third.name = "third";
  third.conditions.push_back(parse_condition("ln_ppl_ratio < 0.1"));
  f.plan.config.stages.push_back(std::move(third));
  f.plan.config.stages[2].variants.resize(1);
  f.plan.variants.push_back(
      {"v5", "v5", "third", 0, &f.plan.config.stages[2].variants[0], std::nullopt, std::nullopt, "", ""});
  f.plan.measurements.push_back({{"divergence", "d5", "m1", "v5", "t1"}, 0, 4, 0});
  // The stages moved: their variants too.
  for (size_t i = 0; i < 4; ++i) f.plan.variants[i].config = &f.plan.config.stages[i / 2].variants[i % 2];
  f.measurer.answers["d1"] = {0.07};
  f.run();
  EXPECT_EQ(f.lines(), (Lines{"experiment", "perplexity perplexity", "divergence d1", "divergence d2",
                              "decision skip", "decision run", "divergence d5"}));
}

TEST(Runner, RetryMakesFailedMeasurementsAgain) {
  Fixture f;
  f.measurer.answers["d1"] = {.failure = "no memory"};
  f.run();
  f.measurer = {};
  EXPECT_EQ(f.run().failed, 1u);
  RunResult result = f.run({.retry = true});
  EXPECT_EQ(f.measurer.made, (Lines{"d1", "d3", "d4"}));
  EXPECT_EQ(result.failed, 0u);
}

TEST(Runner, WhatIsAbandonedLeavesNoTrace) {
  Fixture f;
  f.measurer.answers["d2"] = {.abandoned = true};
  RunResult result = f.run({.stop_wanted = [] { return std::nullopt; }});
  EXPECT_EQ(result.end, RunEnd::interrupted);
  EXPECT_EQ(f.lines(), (Lines{"experiment", "perplexity perplexity", "divergence d1"}));
}

TEST(Runner, StopsBeforeTheNextMeasurement) {
  Fixture f;
  auto stop = [&]() -> std::optional<RunStop> {
    if (f.measurer.made.size() < 2) return std::nullopt;
    return RunStop{RunEnd::interrupted, "SIGINT"};
  };
  RunResult result = f.run({.stop_wanted = stop});
  EXPECT_EQ(f.measurer.made.size(), 2u);
  EXPECT_EQ(result.text, "SIGINT");
}

// Times apart, a journal does not tell how often its run was interrupted.
TEST(Runner, AJournalThatWasCutAnywhereBecomesTheSame) {
  auto without_times = [](const std::string& path) {
    std::vector<Json> lines;
    for (Record& record : read_journal(path, kRunJournal)) {
      record.fields.erase("seconds");
      record.fields.erase("finished");
      lines.push_back(record.fields);
    }
    return lines;
  };
  auto prepare = [](Fixture& f) {
    f.plan.config.criteria.push_back(criterion("ln_ppl_ratio < 0.01", false));
    f.plan.warnings.push_back({"a rule decides nothing", "m1", "v1"});
    f.measurer.answers["d2"] = {0.02, "", false, false, {"first", "second"}};
    f.measurer.answers["d3"] = {.failure = "it crashed"};
  };
  Fixture whole;
  prepare(whole);
  whole.run();
  std::vector<Json> wanted = without_times(whole.path);
  std::string text = gguf_testing::read_file(whole.path);
  for (size_t length = 0; length <= text.size(); length += 7) {
    Fixture cut;
    prepare(cut);
    cut.folder.write("journal.jsonl", text.substr(0, length));
    cut.run();
    ASSERT_EQ(without_times(cut.path), wanted) << length;
  }
}

TEST(Runner, AStopIsWithdrawnWhereWhatFailedWasMadeAgain) {
  Fixture f;
  f.plan.config.criteria.push_back(criterion("loads == 1", true));
  f.plan.measurements[1].id.kind = "load";
  f.measurer.answers["d1"] = {.failure = "out of memory"};
  EXPECT_EQ(f.run().end, RunEnd::stopped);
  EXPECT_EQ(f.run().end, RunEnd::stopped) << "it still holds";
  f.measurer.answers["d1"] = {};
  RunResult result = f.run({.retry = true});
  EXPECT_EQ(result.end, RunEnd::done);
  EXPECT_FALSE(result.crossed);
  Lines lines = f.lines();
  EXPECT_EQ(std::ranges::count(lines, "decision stop"), 1);
  EXPECT_EQ(std::ranges::count(lines, "decision go_on"), 1);
  f.run();
  EXPECT_EQ(f.lines(), lines) << "said once";
}

TEST(Runner, AChangedExperimentKeepsWhatItStillWants) {
  Fixture f;
  f.measurer.answers["d1"] = {0, "", false, false, {"careful"}};
  f.run();
  f.measurer.made.clear();
  f.plan.config.title = "another";
  f.plan.measurements.back().id.key = "d5";
  RunResult result = f.run();
  EXPECT_EQ(f.measurer.made, (Lines{"d5"}));
  EXPECT_EQ(result.kept, 4u);
  // The warning of a measurement that is kept is one of this experiment too.
  EXPECT_EQ(f.lines()[8], "experiment");
  EXPECT_EQ(f.lines()[9], "warning d1");
}

TEST(ExitCode, SaysHowARunEnded) {
  RunResult result;
  EXPECT_EQ(exit_code_of(result, 0), 0);
  result.failed = 1;
  EXPECT_EQ(exit_code_of(result, 0), 1);
  result.crossed = true;
  EXPECT_EQ(exit_code_of(result, 0), 3);
  result.end = RunEnd::interrupted;
  EXPECT_EQ(exit_code_of(result, 2), 130);
}

}  // namespace
}  // namespace fakequant
