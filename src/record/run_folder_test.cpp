#include "record/run_folder.h"

#include "record/testing.h"

namespace fakequant {
namespace {

using namespace record_testing;

const std::string kHeader = "{\"fakequant_journal\": 1}\n";
const std::string kLog =
    "{\"fakequant_log\": 1}\n{\"kind\":\"start\"}\n{\"kind\":\"note\",\"text\":\"hot day\"}\n";

// Two experiments: the second replaces the first, and keeps what was measured for it.
const std::string kJournal = kHeader + R"({"kind":"experiment","title":"old","measurements":[],"key":"e1"}
{"kind":"inspect","key":"k1","model":"m1","result":{"weights":5}}
{"kind":"criterion","stage":"s","name":"c","outcome":"fail"}
{"kind":"divergence","key":"k3","model":"m1","variant":"v1","text":"t1","failure":"llama.cpp ended"}
{"kind":"experiment","title":"new","measurements":[{"kind":"inspect","key":"k1","model":"m1","variant":null,"text":null},{"kind":"load","key":"k2","model":"m1","variant":"v1","text":null},{"kind":"divergence","key":"k3","model":"m1","variant":"v1","text":"t1"},{"kind":"divergence","key":"k4","model":"m1","variant":"v1","text":"t2"},{"kind":"divergence","key":"k5","model":"m1","variant":"v2","text":"t1"}],"key":"e2"}
{"kind":"divergence","key":"k3","model":"m1","variant":"v1","text":"t1","result":{"kld":0.5}}
{"kind":"divergence","key":"k5","model":"m1","variant":"v2","text":"t1","failure":"out of memory"}
{"kind":"criterion","stage":"s","name":"c","outcome":"fail"}
{"kind":"criterion","stage":"s","name":"d","outcome":"pass"}
{"kind":"decision","stage":"s","action":"run","reasons":[]}
{"kind":"decision","stage":"s","action":"stop","reasons":[]}
{"kind":"warning","text":"hm"}
{"kind":"criterion","stage":"s","name":"c","outcome":"pass"}
{"kind":"warning","text":"hm","variant":"v1"}
{"kind":"warning","text":"hm"}
{"kind":"decision","stage":"s","action":"skip","reasons":[]}
)";

class RunFolderTest : public ::testing::Test {
 protected:
  TestFolder folder_;
  std::string journal_ = folder_.write("journal.jsonl", kJournal);
  std::string log_ = folder_.write("log.jsonl", kLog);

  std::string refusal(const std::string& text) {
    folder_.write("journal.jsonl", kHeader + text);
    return error_of([&] { RunFolder folder(folder_.path()); });
  }
};

std::string outline(const std::vector<const Record*>& records, const char* key) {
  std::string result;
  for (const Record* record : records) {
    result += std::to_string(record->line) + " " + record->fields[key].get<std::string>() + "; ";
  }
  return result;
}

TEST_F(RunFolderTest, GivesTheLastExperimentAndItsMeasurementsInOrder) {
  RunFolder folder(folder_.path());
  EXPECT_EQ(folder.path(), folder_.path());
  EXPECT_EQ(folder.experiment()["title"], "new");
  EXPECT_EQ(folder.experiment_record().line, 6u);
  ASSERT_EQ(folder.measurements().size(), 5u);
  const Measured& inspect = folder.measurements()[0];
  EXPECT_EQ(inspect.id.kind + inspect.id.key + inspect.id.model + inspect.id.variant + inspect.id.text,
            "inspectk1m1");
  EXPECT_EQ(inspect.record->line, 3u);  // measured for the experiment before
  EXPECT_EQ((*inspect.result())["weights"], 5);
  EXPECT_EQ(inspect.failure(), "");
}

TEST_F(RunFolderTest, TheLaterRecordOfAKeyCounts) {
  RunFolder folder(folder_.path());
  const Measured& measured = folder.measurements()[2];
  EXPECT_EQ(measured.record->line, 7u);
  EXPECT_EQ((*measured.result())["kld"], 0.5);
  EXPECT_EQ(measured.failure(), "");
}

TEST_F(RunFolderTest, TellsWhatFailedAndWhatWasNotMade) {
  RunFolder folder(folder_.path());
  EXPECT_EQ(folder.measurements()[4].result(), nullptr);
  EXPECT_EQ(folder.measurements()[4].failure(), "out of memory");
  EXPECT_EQ(folder.measurements()[1].record, nullptr);
  EXPECT_EQ(folder.measurements()[1].result(), nullptr);
  EXPECT_EQ(folder.measurements()[1].failure(), "");
}

TEST_F(RunFolderTest, FindsMeasurementsOfAVariantAndOfAModel) {
  RunFolder folder(folder_.path());
  std::vector<const Measured*> of_variant = folder.of("divergence", "v1");
  ASSERT_EQ(of_variant.size(), 2u);
  EXPECT_EQ(of_variant[0]->id.text, "t1");
  EXPECT_EQ(of_variant[1]->id.text, "t2");
  ASSERT_EQ(folder.of("inspect", "m1").size(), 1u);
  EXPECT_TRUE(folder.of("divergence", "m1").empty());
  EXPECT_TRUE(folder.of("inspect", "m2").empty());
}

TEST_F(RunFolderTest, TheLastCriterionOfANameStandsWhereTheFirstStood) {
  RunFolder folder(folder_.path());
  EXPECT_EQ(outline(folder.others("criterion"), "outcome"), "14 pass; 10 pass; ");
  EXPECT_EQ(outline(folder.others("decision"), "action"), "17 skip; 12 stop; ");
  EXPECT_EQ(outline(folder.others("warning"), "text"), "16 hm; 15 hm; ");
}

TEST_F(RunFolderTest, AStopThatWasWithdrawnDoesNotCount) {
  const std::string stop = R"({"kind":"decision","stage":"s","action":"stop","reasons":[]})";
  const std::string go_on = R"({"kind":"decision","stage":"s","action":"go_on","reasons":[]})";
  folder_.write("journal.jsonl", kJournal + go_on + "\n");
  EXPECT_EQ(outline(RunFolder(folder_.path()).others("decision"), "action"), "17 skip; ");
  folder_.write("journal.jsonl", kJournal + go_on + "\n" + stop + "\n");
  EXPECT_EQ(outline(RunFolder(folder_.path()).others("decision"), "action"), "17 skip; 19 stop; ");
}

TEST_F(RunFolderTest, ReadsTheLogAndDoesWithoutIt) {
  EXPECT_EQ(RunFolder(folder_.path()).log().at(1).fields["text"], "hot day");
  std::filesystem::remove(log_);
  EXPECT_TRUE(RunFolder(folder_.path()).log().empty());
}

TEST_F(RunFolderTest, StaysWholeWhenItIsMoved) {
  RunFolder first(folder_.path());
  RunFolder folder = std::move(first);
  EXPECT_EQ(folder.experiment()["title"], "new");
  EXPECT_EQ(folder.of("inspect", "m1").at(0)->record->line, 3u);
}

TEST_F(RunFolderTest, RefusesWhatIsNoFolderOfARun) {
  EXPECT_EQ(error_of([&] { RunFolder folder(journal_); }),
            journal_ + ": found no folder, wanted that of a run, as `fakequant run` makes it");
  TestFolder empty;
  EXPECT_EQ(error_of([&] { RunFolder folder(empty.path()); }),
            empty.path() +
                ": found no journal.jsonl in it, wanted the folder of a run, as `fakequant run` makes it");
  EXPECT_EQ(
      refusal(""),
      journal_ +
          ": found 0 records and no experiment among them, wanted one; was the run ended before it began?");
  folder_.write("log.jsonl", "{\"fakequant_log\": 2}\n");
  EXPECT_NE(error_of([&] { RunFolder folder(folder_.path()); }).find("log.jsonl"), std::string::npos);
}

TEST_F(RunFolderTest, RefusesRecordsOfOtherShapes) {
  EXPECT_EQ(refusal("{\"x\":1}\n"), journal_ + ":2: found nothing for 'kind', wanted a text");
  EXPECT_EQ(refusal("{\"kind\":5}\n"), journal_ + ":2: found 5 for 'kind', wanted a text");
  EXPECT_EQ(refusal("{\"kind\":\"inspect\",\"key\":[]}\n{\"kind\":\"experiment\"}\n"),
            journal_ + ":2: found [] for 'key', wanted a text");
  std::string no_list = journal_ + ":2: found an experiment without a list of measurements, wanted one";
  EXPECT_EQ(refusal("{\"kind\":\"experiment\"}\n"), no_list);
  EXPECT_EQ(refusal("{\"kind\":\"experiment\",\"measurements\":{\"a\":1}}\n"), no_list);
  EXPECT_EQ(refusal("{\"kind\":\"experiment\",\"measurements\":[1]}\n"),
            journal_ + ":2: found nothing for 'kind', wanted a text");
  EXPECT_EQ(refusal("{\"kind\":\"experiment\",\"measurements\":[{\"kind\":\"load\",\"key\":\"k\",\"model\":"
                    "\"m\",\"variant\":1}]}\n"),
            journal_ + ":2: found 1 for 'variant', wanted a text");
  folder_.write(
      "journal.jsonl",
      kHeader + "{\"kind\":\"experiment\",\"measurements\":[]}\n{\"kind\":\"criterion\",\"stage\":\"s\"}\n");
  RunFolder folder(folder_.path());
  EXPECT_EQ(error_of([&] { folder.others("criterion"); }),
            journal_ + ":3: found nothing for 'name', wanted a text");
}

}  // namespace
}  // namespace fakequant
