#include "evaluate/throughput.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace fakequant {
namespace {

LoadedModel load() {
  return LoadedModel::load({std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf"}, {},
                           LoadedModel::Weights::loaded);
}

RunningModel& running() {
  static RunningModel model(load());
  return model;
}

SpeedOptions small(size_t repetitions) {
  SpeedOptions options;
  options.repetitions = repetitions;
  options.prompt_tokens = 8;
  options.generated_tokens = 4;
  return options;
}

// Every piece of work takes `seconds` of it.
SecondsClock clock_of_steps(double seconds) {
  return [now = 0.0, seconds]() mutable { return now += seconds; };
}

TEST(MeasureThroughput, RatesAndRatiosFollowFromTheClock) {
  SpeedSubject subjects[] = {{{"demo", &running()}, load}, {{"again", &running()}, load}};
  SpeedResults results = measure_throughput(subjects, small(6), clock_of_steps(2), {});
  EXPECT_EQ(results.prompt_tokens, 8);
  EXPECT_EQ(results.generated_tokens, 4);
  ASSERT_EQ(results.subjects.size(), 2U);
  for (const SpeedResult& subject : results.subjects) {
    EXPECT_EQ(subject.load->typical.median, 2);
    EXPECT_EQ(subject.prompt.typical.median, 4);
    EXPECT_EQ(subject.generation.typical.median, 2);
    EXPECT_EQ(subject.prompt.seconds, std::vector<double>(6, 2.0)) << "the first round does not count";
  }
  EXPECT_FALSE(results.subjects[0].prompt.ratio);
  ASSERT_TRUE(results.subjects[1].prompt.ratio);
  EXPECT_EQ(results.subjects[1].prompt.ratio->median, 1);
  EXPECT_FALSE(shows_difference(*results.subjects[1].prompt.ratio));
}

TEST(MeasureThroughput, TellsWhoIsFaster) {
  // Two clock readings a piece of work: those of the second subject take half the time. Rounds of two go 0 1, then
  // 0 1, 1 0, 0 1 and so on.
  size_t reading = 0;
  double now = 0;
  SecondsClock clock = [&] {
    bool ends = reading % 2 == 1;
    size_t work = reading / 2 % 14;  // 2 that do not count, 12 that do
    bool first = work < 2 ? work == 0 : ((work - 2) / 2 % 2 == 0) == (work % 2 == 0);
    ++reading;
    if (ends) now += first ? 2 : 1;
    return now;
  };
  SpeedSubject subjects[] = {{{"demo", &running()}, {}}, {{"fast", &running()}, {}}};
  SpeedResults results = measure_throughput(subjects, small(6), clock, {});
  for (const SpeedMeasure* measure : {&results.subjects[1].prompt, &results.subjects[1].generation}) {
    EXPECT_EQ(measure->ratio->median, 2);
    EXPECT_TRUE(shows_difference(*measure->ratio));
  }
  EXPECT_EQ(results.subjects[0].prompt.typical.median, 4);
  EXPECT_EQ(results.subjects[1].prompt.typical.median, 8);
}

TEST(MeasureThroughput, WhatIsOnlyInMemoryHasNoTimeOfLoading) {
  SpeedSubject subjects[] = {{{"demo", &running()}, load}, {{"patched", &running()}, {}}};
  SpeedResults results = measure_throughput(subjects, small(6), clock_of_steps(1), {});
  EXPECT_TRUE(results.subjects[0].load);
  EXPECT_FALSE(results.subjects[1].load);
  EXPECT_TRUE(results.subjects[1].load_note.starts_with("it is only in memory"))
      << results.subjects[1].load_note;
  EXPECT_EQ(results.subjects[0].load_note, "");
}

TEST(MeasureThroughput, ReadsNoMoreThanWhatWasTrained) {
  SpeedSubject subjects[] = {{{"demo", &running()}, {}}};
  SpeedOptions options = small(6);
  options.prompt_tokens = 512;
  SpeedResults results = measure_throughput(subjects, options, clock_of_steps(1), {});
  EXPECT_EQ(results.prompt_tokens, 256);
  EXPECT_EQ(results.subjects[0].prompt.typical.median, 256);
}

TEST(MeasureThroughput, ProgressAddsUpToTheWork) {
  SpeedSubject subjects[] = {{{"demo", &running()}, load}, {{"patched", &running()}, {}}};
  uint64_t pieces = 0;
  measure_throughput(subjects, small(7), clock_of_steps(1), [&] { ++pieces; });
  EXPECT_EQ(pieces, (3U + 2U) * 8U);
  EXPECT_EQ(pieces, speed_work(subjects, small(7)));
}

TEST(SteadySeconds, GoForward) {
  SecondsClock clock = steady_seconds();
  double before = clock();
  EXPECT_GE(clock(), before);
}

}  // namespace
}  // namespace fakequant
