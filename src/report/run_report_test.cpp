#include "report/run_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "report/json_report.h"
#include "report/markdown.h"

namespace fakequant::report {
namespace {

constexpr const char* kExperiment =
    R"({"kind": "experiment", "title": "t", "models": [{"id": "m1", "name": "tiny", "bytes": 10, "weights": 5}],)"
    R"( "texts": [{"id": "t1", "name": "text", "bytes": 7}], "stages": [{"name": "one", "requires": []}],)"
    R"( "variants": [{"id": "v1", "name": "a", "stage": "one", "model": "m1", "bits": {"bits": 40, "weights": 5}}],)"
    R"( "settings": {"context": 128, "list": [1, 2], "none": null}, "measurements": [{"kind": "load", "key": "k1", "model": "m1", "variant": "v1"},)"
    R"( {"kind": "divergence", "key": "k2", "model": "m1", "variant": "v1", "text": "t1"}]})";

constexpr const char* kLoad =
    R"({"kind": "load", "key": "k1", "model": "m1", "variant": "v1", "result": {"tokens_generated": 4, "text": "x", "nonfinite": 0}, "seconds": 0.5})";

// A run's folder that is gone when the test is.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() / ("fakequant-report-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  RunReport read(const std::vector<std::string>& records, const std::vector<std::string>& log = {}) const {
    write("journal.jsonl", R"({"fakequant_journal": 1})", records);
    write("log.jsonl", R"({"fakequant_log": 1})", log);
    return read_run_report(RunFolder(path_.string()));
  }

  // The error's text without the folder.
  std::string error(const std::vector<std::string>& records) const {
    try {
      read(records);
    } catch (const Error& error) {
      std::string text = error.what();
      return text.starts_with(path_.string()) ? text.substr(path_.string().size() + 1) : text;
    }
    return "no error";
  }

 private:
  void write(const char* name, const char* header, const std::vector<std::string>& records) const {
    std::ofstream file(path_ / name);
    file << header << "\n";
    for (const std::string& record : records) file << record << "\n";
  }

  std::filesystem::path path_;
};

TEST(ReadRunReport, PutsResultsWhereTheyBelong) {
  Folder folder;
  RunReport report = folder.read({kExperiment, kLoad});
  ASSERT_EQ(report.variants.size(), 1u);
  const ReportVariant& variant = report.variants[0];
  ASSERT_TRUE(variant.load);
  EXPECT_EQ(variant.load->line, 3u);
  EXPECT_EQ(variant.load->tokens_generated, 4u);
  EXPECT_EQ(variant.bits->per_weight(), 8);
  EXPECT_EQ(report.measurements[0].state, MeasurementState::done);
  EXPECT_EQ(report.measurements[0].seconds, 0.5);
  EXPECT_EQ(report.measurements[1].state, MeasurementState::missing);
  EXPECT_FALSE(report.finished());
  ASSERT_EQ(report.settings.size(), 3u);
  EXPECT_EQ(report.settings[1].value, "1, 2");
}

TEST(ReadRunReport, NamesAnExperimentWithoutATitleByItsFolder) {
  Folder folder;
  std::string untitled = kExperiment;
  untitled.replace(untitled.find("\"t\""), 3, "\"\"");
  RunReport report = folder.read({untitled});
  EXPECT_EQ(report.title, "fakequant-report-" + std::to_string(::getpid()));
  EXPECT_EQ(read_run_report(RunFolder(report.folder + "/.")).title, report.title);
}

TEST(ReadRunReport, KeepsFailures) {
  Folder folder;
  RunReport report = folder.read(
      {kExperiment,
       R"({"kind": "load", "key": "k1", "model": "m1", "variant": "v1", "failure": "no memory"})"});
  EXPECT_EQ(report.measurements[0].state, MeasurementState::failed);
  EXPECT_EQ(report.measurements[0].failure, "no memory");
  EXPECT_FALSE(report.variants[0].load);
}

TEST(ReadRunReport, DecisionsExplainWhatIsMissing) {
  Folder folder;
  RunReport report =
      folder.read({kExperiment, kLoad,
                   R"({"kind": "decision", "stage": "one", "action": "skip", "reasons": [{"check": "x < 1",)"
                   R"( "worst": 2, "variant": "v1", "key": "k1", "holds": false}]})"});
  EXPECT_EQ(report.measurements[1].state, MeasurementState::left_out);
  EXPECT_TRUE(report.finished());
  ASSERT_EQ(report.decisions.size(), 1u);
  EXPECT_EQ(report.decisions[0].line, 4u);
  EXPECT_EQ(report.decisions[0].reasons[0].line, 3u);
}

TEST(ReadRunReport, NamesTensorsThatDoNotFit) {
  Folder folder;
  std::string experiment = kExperiment;
  experiment.replace(experiment.find(R"("load")"), 6, R"("difference")");
  RunReport report = folder.read(
      {experiment,
       R"({"kind": "difference", "key": "k1", "model": "m1", "variant": "v1", "result": {"tensors": [],)"
       R"( "skipped": [{"name": "x", "format": "int4"}],)"
       R"( "total": {"count": 1, "changed_count": 0, "new_nonfinite": 0, "nonfinite_count": 0}}})"});
  ASSERT_TRUE(report.variants[0].difference);
  EXPECT_EQ(report.variants[0].difference->skipped, std::vector<std::string>{"x"});
}

TEST(ReadRunReport, JoinsStartsAndEnds) {
  Folder folder;
  RunReport report = folder.read(
      {kExperiment}, {R"({"kind": "start", "time": "T1", "command": ["fakequant", "run"]})",
                      R"({"kind": "note", "time": "T2", "text": "hello"})",
                      R"({"kind": "start", "time": "T3"})", R"({"kind": "end", "outcome": "done"})"});
  ASSERT_EQ(report.sessions.size(), 2u);
  EXPECT_EQ(report.sessions[0].outcome, "");  // killed
  EXPECT_EQ(report.sessions[1].outcome, "done");
  EXPECT_EQ(report.notes.at(0).text, "hello");
}

TEST(ReadRunReport, NamesLineAndKeyOfWhatIsWrong) {
  Folder folder;
  EXPECT_EQ(
      folder.error({kExperiment,
                    R"({"kind": "load", "key": "k1", "result": {"tokens_generated": "4", "nonfinite": 0}})"}),
      "journal.jsonl:3: result.tokens_generated: found the text \"4\", wanted a whole number");
  EXPECT_EQ(
      folder.error({kExperiment,
                    R"({"kind": "load", "key": "k1", "result": {"tokens_generated": -4, "nonfinite": 0}})"}),
      "journal.jsonl:3: result.tokens_generated: found -4, wanted a whole number");
  EXPECT_EQ(folder.error({kExperiment, R"({"kind": "load", "key": "k1", "result": [1]})"}),
            "journal.jsonl:3: result: found a list, wanted an object");
  EXPECT_EQ(folder.error({kExperiment, R"({"kind": "load", "key": "k1"})"}),
            "journal.jsonl:3: result: found nothing, wanted an object");
  EXPECT_EQ(
      folder.error(
          {kExperiment, R"({"kind": "criterion", "stage": "one", "name": "c", "outcome": "maybe"})"}),
      "journal.jsonl:3: outcome: found the text \"maybe\", wanted one of pass, fail, unmeasured, judged");
  EXPECT_EQ(folder.error({kExperiment, R"({"kind": "warning", "text": "w", "variant": "v9"})"}),
            "journal.jsonl:3: variant: found the text \"v9\", wanted the id of a variant");
  EXPECT_EQ(folder.error({R"({"kind": "experiment", "title": 5, "measurements": []})"}),
            "journal.jsonl:2: title: found 5, wanted text");
  EXPECT_EQ(folder.error({R"({"kind": "experiment", "title": "t", "models": [3], "measurements": []})"}),
            "journal.jsonl:2: models[0]: found 3, wanted an object");
}

// Every value of a good journal in turn replaced by values of other types: a report or an Error, and never markup from a name.
void replace_each(Json& whole, Json& part, const std::function<void()>& check) {
  const Json kOthers[] = {nullptr,        -1,  1e300, "<script>", Json::array(), Json::array({1, "x"}),
                          Json::object(), true};
  for (auto& element : part) {
    Json before = element;
    for (const Json& other : kOthers) {
      element = other;
      check();
    }
    element = before;
    if (element.is_structured()) replace_each(whole, element, check);
  }
}

TEST(ReadRunReport, OfValuesOfOtherTypesIsAReportOrAnError) {
  Folder folder;
  std::vector<Json> records{Json::parse(kExperiment), Json::parse(kLoad)};
  size_t reports = 0, errors = 0;
  for (Json& record : records) {
    replace_each(record, record, [&] {
      try {
        RunReport report = folder.read({records[0].dump(), records[1].dump()});
        std::string markdown = markdown_report(report);
        EXPECT_TRUE(markdown.starts_with(kMarkdownMark));
        EXPECT_EQ(markdown.find(" <script>"), std::string::npos);
        report_json(report).dump();
        ++reports;
      } catch (const Error&) {
        ++errors;
      }
    });
  }
  EXPECT_GT(reports, 50u);
  EXPECT_GT(errors, 50u);
}

}  // namespace
}  // namespace fakequant::report
