#include "experiment/worker_client.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"

namespace fakequant {
namespace {

using State = MeasurementOutcome::State;

// Workers are shell scripts: `answer` after the first request, then what a test says for each measurement.
constexpr const char* kReady = "read -r begin <&3; echo '{\"ready\": true}' >&3\n";

WorkerOptions options_of(const std::string& script) {
  WorkerOptions options;
  options.command = {"/bin/sh", "-c", std::string(kReady) + script};
  options.grace = WorkerOptions::Seconds(0.2);
  return options;
}

class WorkerClientTest : public testing::Test {
 protected:
  MeasurementOutcome measure(WorkerClient& client) {
    Measurement measurement;
    measurement.id.key = "k";
    return client.measure(0, measurement,
                          [this](const WorkerProgress& progress) { shares.push_back(progress.share); });
  }
  MeasurementOutcome measure(WorkerOptions options) {
    WorkerClient client(std::move(options), stop, [this] { ++told; });
    return measure(client);
  }

  StopSignals stop;
  int told = 0;
  std::vector<double> shares;
};

TEST_F(WorkerClientTest, GivesResultsAndProgress) {
  MeasurementOutcome outcome =
      measure(options_of("read -r m <&3\n"
                         "printf '{\"progress\": 0.25, \"note\": \"\", \"baseline\": false}\\n{\"warning\": "
                         "\"careful\"}\\n{\"res' >&3\n"
                         "sleep 0.05; printf 'ult\": {\"x\": 1}}\\n' >&3; read -r end <&3"));
  EXPECT_EQ(outcome.state, State::measured);
  EXPECT_EQ(outcome.result["x"], 1);
  EXPECT_EQ(outcome.warnings, std::vector<std::string>{"careful"});
  EXPECT_EQ(shares, std::vector<double>{0.25});
}

TEST_F(WorkerClientTest, AFailureIsOneOfTheBaselineWhereItSaysSo) {
  MeasurementOutcome outcome = measure(
      options_of("read -r m <&3; echo '{\"failure\": \"no\", \"baseline\": true}' >&3; read -r end <&3"));
  EXPECT_EQ(outcome.state, State::failed);
  EXPECT_EQ(outcome.failure, "no");
  EXPECT_TRUE(outcome.baseline_failed);
}

TEST_F(WorkerClientTest, ADeathIsAFailureWithItsReason) {
  EXPECT_EQ(measure(options_of("read -r m <&3; kill -SEGV $$")).failure,
            "the process that measures was killed (SIGSEGV)");
  EXPECT_EQ(measure(options_of("read -r m <&3; kill -KILL $$")).failure,
            "the process that measures was killed (SIGKILL), as the system does where memory runs out");
  EXPECT_EQ(
      measure(options_of("read -r m <&3; echo noise >&2; echo 'fakequant: it broke' >&2; exit 1")).failure,
      "it broke");
  EXPECT_EQ(measure(options_of("read -r m <&3; echo oh >&2; exit 7")).failure,
            "the process that measures ended with exit code 7; its last words: oh");
}

TEST_F(WorkerClientTest, ADeathDuringTheBaselinesWorkIsTheBaselines) {
  MeasurementOutcome outcome = measure(options_of(
      "read -r m <&3; echo '{\"progress\": 0, \"note\": \"\", \"baseline\": true}' >&3; kill -KILL $$"));
  EXPECT_TRUE(outcome.baseline_failed);
}

TEST_F(WorkerClientTest, ANewWorkerFollowsOneThatDied) {
  WorkerClient client(options_of("read -r m <&3; exit 1"), stop, [] {});
  EXPECT_EQ(measure(client).state, State::failed);
  EXPECT_EQ(client.worker_id(), 0);
  EXPECT_EQ(measure(client).state, State::failed);
}

TEST_F(WorkerClientTest, WhatIsNoAnswerEndsTheWorker) {
  for (const char* line : {"hello", "{}", "[1]", "{\"progress\": \"x\"}", "{\"ready\": true}", "\\377"}) {
    WorkerClient client(options_of(std::string("read -r m <&3; printf '") + line + "\\n' >&3; sleep 60"),
                        stop, [] {});
    EXPECT_EQ(measure(client).state, State::failed) << line;
    EXPECT_EQ(client.worker_id(), 0) << line;
  }
}

TEST_F(WorkerClientTest, HalfALineIsNoAnswer) {
  MeasurementOutcome outcome = measure(options_of("read -r m <&3; printf '{\"result\": {}}' >&3; exit 0"));
  EXPECT_EQ(outcome.failure, "the process that measures ended with exit code 0");
}

TEST_F(WorkerClientTest, AHangEndsAtTheLimit) {
  WorkerOptions options = options_of("read -r m <&3; sleep 60");
  options.most_per_measurement = WorkerOptions::Seconds(0.1);
  MeasurementOutcome outcome = measure(std::move(options));
  EXPECT_EQ(outcome.state, State::failed);
  EXPECT_EQ(outcome.failure, "took longer than the 0.1 s that a measurement may take");
}

TEST_F(WorkerClientTest, AStopGivesTheMeasurementItsGrace) {
  WorkerOptions options =
      options_of("read -r m <&3; kill -INT $PPID; sleep 0.05; echo '{\"result\": 1}' >&3; sleep 60");
  options.grace = WorkerOptions::Seconds(30);
  EXPECT_EQ(measure(std::move(options)).state, State::measured);
  EXPECT_EQ(told, 1);
}

TEST_F(WorkerClientTest, AStopAbandonsWhatTakesLonger) {
  EXPECT_EQ(measure(options_of("read -r m <&3; kill -TERM $PPID; sleep 60")).state, State::abandoned);
  EXPECT_EQ(stop.last(), SIGTERM);
}

TEST_F(WorkerClientTest, ASecondStopDoesNotWait) {
  WorkerOptions options = options_of("read -r m <&3; kill -INT $PPID; sleep 0.05; kill -INT $PPID; sleep 60");
  options.grace = WorkerOptions::Seconds(3600);
  EXPECT_EQ(measure(std::move(options)).state, State::abandoned);
}

TEST_F(WorkerClientTest, TheEndOfTheRunIsAStop) {
  WorkerOptions options = options_of("read -r m <&3; sleep 60");
  options.end_of_run = ChildProcess::Clock::now() + std::chrono::milliseconds(50);
  EXPECT_EQ(measure(std::move(options)).state, State::abandoned);
  EXPECT_EQ(told, 1);
}

TEST_F(WorkerClientTest, AWorkerThatCannotBeginEndsTheRun) {
  WorkerOptions options;
  options.command = {"/bin/sh", "-c",
                     "read -r begin <&3; echo '{\"failure\": \"no such model\", \"baseline\": false}' >&3"};
  EXPECT_THROW(measure(options), Error);
  options.command = {"/nowhere/at/all"};
  EXPECT_THROW(measure(options), Error);
}

TEST_F(WorkerClientTest, WhatModelsCannotDoIsToldTogetherBeforeAnythingIsMeasured) {
  WorkerOptions options = options_of(
      "read -r c <&3; echo '{\"problems\": [\"a is short\", \"b is short\"]}' >&3\n"
      "read -r c <&3; echo '{\"problems\": [\"b is short\", \"c speaks no text\"]}' >&3; read -r end <&3");
  options.models = {0, 2};
  try {
    measure(options);
    FAIL() << "it began";
  } catch (const Error& problem) {
    EXPECT_STREQ(problem.what(), "a is short\nb is short\nc speaks no text");
  }
}

TEST_F(WorkerClientTest, AModelThatEndsItsWorkerIsBrokenAndTheRestIsMeasured) {
  // The second worker is told of it, looks at the other model and measures.
  WorkerOptions options;
  options.command = {"/bin/sh", "-c",
                     "read -r begin <&3; echo '{\"ready\": true}' >&3; read -r request <&3\n"
                     "case $begin in *'\"broken\":[]'*) echo 'fakequant: m0 crashed' >&2; exit 1;; esac\n"
                     "[ \"$request\" = '{\"check\":1}' ] && echo '{\"problems\": []}' >&3\n"
                     "read -r m <&3; printf '{\"result\": %s}\\n' \"$begin\" >&3; read -r end <&3"};
  options.models = {0, 1};
  MeasurementOutcome outcome = measure(options);
  ASSERT_EQ(outcome.state, State::measured) << outcome.failure;
  EXPECT_EQ(outcome.result["begin"]["broken"], Json::parse(R"([{"model": 0, "why": "m0 crashed"}])"));
}

TEST_F(WorkerClientTest, AFileThatChangedEndsTheRun) {
  WorkerOptions options = options_of("read -r m <&3; echo '{\"result\": 1}' >&3; sleep 60");
  int calls = 0;
  options.check_files = [&] {
    if (++calls == 2) throw Error("it changed");
  };
  EXPECT_THROW(measure(std::move(options)), Error);
}

TEST(ChildProcess, LongRequestsDoNotBlock) {
  ChildProcess child({"/bin/sh", "-c", "read -r line <&3; echo ${#line} >&3; sleep 60"});
  child.send(std::string(4'000'000, 'x'));
  std::string line;
  EXPECT_EQ(child.receive(line, std::nullopt, -1), ChildProcess::Event::line);
  EXPECT_EQ(line, "4000000");
}

TEST(ChildProcess, KillEndsWhatIgnoresEverything) {
  ChildProcess child({"/bin/sh", "-c", "trap '' INT TERM HUP; echo up >&3; while :; do sleep 1; done"});
  std::string line;
  EXPECT_EQ(child.receive(line, std::nullopt, -1), ChildProcess::Event::line);
  pid_t id = child.id();
  child.kill();
  EXPECT_EQ(::kill(id, 0), -1);
  EXPECT_EQ(child.ending(), "was killed (SIGKILL)");
}

}  // namespace
}  // namespace fakequant
