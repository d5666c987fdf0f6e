#include "experiment/protocol.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace fakequant {
namespace {

TEST(Protocol, RequestsComeBack) {
  WorkerBegin begin;
  begin.source = "title = \"x\"\nmodel = \"demo\"\n";
  begin.path = "a b.toml";
  begin.overrides.models = {"m.gguf"};
  begin.overrides.chunks = 7;
  begin.hashes = {{"m.gguf", "00"}};
  begin.threads = 3;
  begin.broken = {{2, "it crashed"}};
  auto back = std::get<WorkerBegin>(parse_request(to_line(WorkerRequest(begin))));
  EXPECT_EQ(back.source, begin.source);
  EXPECT_EQ(back.path, begin.path);
  EXPECT_EQ(back.overrides.models, begin.overrides.models);
  EXPECT_TRUE(back.overrides.texts.empty());
  EXPECT_EQ(back.overrides.chunks, 7u);
  EXPECT_EQ(back.hashes, begin.hashes);
  EXPECT_EQ(back.threads, 3);
  EXPECT_EQ(back.broken, begin.broken);
  EXPECT_EQ(std::get<WorkerCheck>(parse_request(to_line(WorkerRequest(WorkerCheck{5})))).model, 5u);
  auto measure = std::get<WorkerMeasure>(parse_request(to_line(WorkerRequest(WorkerMeasure{4, "k"}))));
  EXPECT_EQ(measure.index, 4u);
  EXPECT_EQ(measure.key, "k");
}

TEST(Protocol, AnswersComeBack) {
  WorkerProblems problems{{"too short", "no text"}};
  EXPECT_EQ(std::get<WorkerProblems>(parse_answer(to_line(WorkerAnswer(problems)))).texts, problems.texts);
  EXPECT_TRUE(std::holds_alternative<WorkerReady>(parse_answer(to_line(WorkerAnswer(WorkerReady{})))));
  auto progress =
      std::get<WorkerProgress>(parse_answer(to_line(WorkerAnswer(WorkerProgress{0.5, "KLD 0.1", true}))));
  EXPECT_EQ(progress.share, 0.5);
  EXPECT_EQ(progress.note, "KLD 0.1");
  EXPECT_TRUE(progress.baseline);
  auto failure = std::get<WorkerFailure>(parse_answer(to_line(WorkerAnswer(WorkerFailure{"no", true}))));
  EXPECT_EQ(failure.text, "no");
  EXPECT_TRUE(failure.baseline);
  EXPECT_EQ(
      std::get<WorkerResult>(parse_answer(to_line(WorkerAnswer(WorkerResult{{{"a", 0.1}}})))).result["a"],
      0.1);
  EXPECT_EQ(std::get<WorkerWarning>(parse_answer(to_line(WorkerAnswer(WorkerWarning{"w"})))).text, "w");
}

TEST(Protocol, LinesHoldNoLineEndsAndNoBrokenText) {
  std::string line = to_line(WorkerAnswer(WorkerFailure{"a\nb\xff", false}));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(std::get<WorkerFailure>(parse_answer(line)).text, "a\nb\xEF\xBF\xBD");
}

TEST(Protocol, OtherLinesAreRefused) {
  for (const char* line :
       {"", "x", "[]", "{}", "null", "{\"measure\": -1, \"key\": \"\"}x", "{\"begin\": 1}"})
    EXPECT_THROW(parse_request(line), Error) << line;
  for (const char* line :
       {"", "x", "[]", "{}", "3", "{\"failure\": 1, \"baseline\": true}", "{\"progress\": 1}"})
    EXPECT_THROW(parse_answer(line), Error) << line;
}

}  // namespace
}  // namespace fakequant
