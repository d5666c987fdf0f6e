// The folder of a run, its log, the machine's facts, and files that must not change.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "experiment/machine.h"
#include "experiment/run_log.h"
#include "experiment/run_place.h"
#include "experiment/time_left.h"
#include "experiment/watched_files.h"
#include "gguf/testing.h"

namespace fakequant {
namespace {

using gguf_testing::read_file;
using gguf_testing::TestFolder;

TEST(RunPlace, TheDefaultFolderIsNamedAfterTheExperiment) {
  EXPECT_EQ(default_run_folder("experiments/norms.toml"), "norms.run");
  EXPECT_EQ(default_run_folder("norms"), "norms.run");
  EXPECT_EQ(default_run_folder("a.b.toml"), "a.b.run");
}

TEST(RunPlace, OtherPeoplesFoldersAreRefused) {
  TestFolder folder;
  std::string path = folder.at("new/deep");
  open_run_folder(path);
  open_run_folder(path);  // empty
  std::ofstream(path + "/log.jsonl") << "";
  open_run_folder(path);  // begun
  std::ofstream(path + "/letter.txt") << "dear";
  EXPECT_THROW(open_run_folder(path), Error);
  std::ofstream(path + "/journal.jsonl") << "";
  open_run_folder(path);
  std::ofstream(folder.at("file")) << "x";
  EXPECT_THROW(open_run_folder(folder.at("file")), Error);
}

TEST(RunPlace, KeepsTheExperimentFile) {
  TestFolder folder;
  std::filesystem::create_directory(folder.at("run"));
  keep_experiment_file(folder.at("run"), "title = 1\n");
  EXPECT_EQ(read_file(folder.at("run/experiment.toml")), "title = 1\n");
  keep_experiment_file(folder.at("run"), "");
  EXPECT_EQ(read_file(folder.at("run/experiment.toml")), "");
}

TEST(RunLog, SaysWhatHappened) {
  TestFolder folder;
  RunLog log(folder.at(""), {});
  log.start({{"fakequant", "run", "x\xff"}, "1", "2", 3});
  log.note("a remark");
  log.end({"stopped", 4, 5, 6, 7.5, 3, "the limit"});
  std::vector<Record> records = read_journal(folder.at("log.jsonl"), kRunLog);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].fields["command"][1], "run");
  EXPECT_EQ(records[0].fields["machine"]["threads"], 3);
  EXPECT_EQ(records[1].fields["text"], "a remark");
  EXPECT_EQ(records[2].fields["outcome"], "stopped");
  EXPECT_EQ(records[2].fields["kept"], 5);
}

TEST(Machine, ReadsProc) {
  EXPECT_EQ(processor_in_cpuinfo("processor\t: 0\nmodel name\t: Fast: 3 GHz\nmodel name\t: Other\n"),
            "Fast: 3 GHz");
  EXPECT_EQ(processor_in_cpuinfo("nothing"), "");
  EXPECT_EQ(memory_in_meminfo("MemFree: 1 kB\nMemTotal:       2048 kB\n"), 2048u << 10);
  EXPECT_EQ(memory_in_meminfo("MemTotal: many kB\n"), 0u);
  EXPECT_EQ(time_now().size(), std::string("2024-05-17T09:30:00Z").size());
}

TEST(WatchedFiles, TellOfFilesThatWereWrittenReplacedOrRemoved) {
  TestFolder folder;
  std::string path = folder.write("a", "one");
  WatchedFiles files({path, folder.at("not there")});
  EXPECT_NO_THROW(files.check());
  std::ofstream(path) << "other";
  EXPECT_THROW(files.check(), Error);
  WatchedFiles again({path});
  std::filesystem::rename(folder.write("b", "other"), path);
  EXPECT_THROW(again.check(), Error);
  WatchedFiles third({path});
  std::filesystem::remove(path);
  EXPECT_THROW(third.check(), Error);
}

Measurement measurement_of(const std::string& kind, const std::string& text) {
  Measurement measurement;
  measurement.id.kind = kind;
  measurement.id.text = text;
  return measurement;
}

TEST(TimeLeft, TakesMeansOfLikeWorkAndElseOfItsKind) {
  TimeLeft left;
  Measurement first = measurement_of("divergence", "t1");
  Measurement second = measurement_of("divergence", "t2");
  Measurement third = measurement_of("divergence", "t3");
  Measurement other = measurement_of("speed", "");
  left.learn(first, 10);
  left.learn(first, 20);
  left.learn(second, 60);
  EXPECT_DOUBLE_EQ(left.of({&first}).seconds, 15);
  EXPECT_DOUBLE_EQ(left.of({&first, &second, &third}).seconds, 15 + 60 + 30);
  EXPECT_FALSE(left.of({&first}).is_least);
  EXPECT_TRUE(left.of({&first, &other}).is_least);
  EXPECT_EQ(left_text(left.of({&first})), "about 15 s left");
  EXPECT_EQ(left_text({7260, true}), "over 2 h 1 min left");
  EXPECT_EQ(left_text({0, true}), "");
}

}  // namespace
}  // namespace fakequant
