#include "record/run_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace fakequant {
namespace {

namespace fs = std::filesystem;

// A run's folder and one beside it, gone when the test is.
class RunFiles : public testing::Test {
 protected:
  RunFiles() : root_(fs::temp_directory_path() / ("fakequant-run-files-" + std::to_string(getpid()))) {
    fs::create_directories(root_ / "run");
    fs::create_directories(root_ / "other");
    write("run/journal.jsonl", "{\"fakequant_journal\": 1}\n");
    write("run/log.jsonl", "{\"fakequant_log\": 1}\n");
    write("run/experiment.toml", "model = \"demo\"\n");
  }
  ~RunFiles() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) { std::ofstream(root_ / name) << text; }
  std::string at(const std::string& name) const { return (root_ / name).string(); }

  fs::path root_;
};

TEST_F(RunFiles, AreKnownByNameInTheFolderOfARun) {
  for (const char* name : {"run/journal.jsonl", "run/log.jsonl", "run/experiment.toml"}) {
    EXPECT_TRUE(is_run_file(at(name))) << name;
  }
  EXPECT_TRUE(is_run_file(at("other/../run/experiment.toml")));
  fs::remove(at("run/log.jsonl"));
  EXPECT_TRUE(is_run_file(at("run/log.jsonl"))) << "a report there would be read as the log";
}

TEST_F(RunFiles, AreKnownByTheirBeginUnderAnyName) {
  write("other/copy", "{\"fakequant_journal\": 1}\n");
  EXPECT_TRUE(is_run_file(at("other/copy")));
  write("other/copy", "{\"fakequant_log\": 1}\n");
  EXPECT_TRUE(is_run_file(at("other/copy")));
}

TEST_F(RunFiles, AreKnownBehindLinks) {
  fs::create_symlink(at("run/experiment.toml"), at("other/link"));
  EXPECT_TRUE(is_run_file(at("other/link")));
}

TEST_F(RunFiles, AreNotOtherFiles) {
  write("run/report.md", "# {\"fakequant_journal\": 1}\n");
  write("other/experiment.toml", "model = \"demo\"\n");
  write("other/journal.jsonl", "{}\n");
  for (const char* name : {"run/report.md", "run/new.md", "other/experiment.toml", "other/journal.jsonl",
                           "nowhere/log.jsonl", "run"}) {
    EXPECT_FALSE(is_run_file(at(name))) << name;
  }
}

TEST_F(RunFiles, MakeAFolderThatOfARun) {
  EXPECT_TRUE(is_run_folder(at("run")));
  EXPECT_TRUE(is_run_folder(at("run/")));
  EXPECT_FALSE(is_run_folder(at("other")));
  EXPECT_FALSE(is_run_folder(at("nowhere")));
}

TEST_F(RunFiles, AreRefusedInOneSentence) {
  refuse_run_file(at("run/report.md"), "x");
  try {
    refuse_run_file(at("run/journal.jsonl"), "--output j");
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "--output j: is part of a run, which nothing replaces, wanted another name for the output");
  }
}

}  // namespace
}  // namespace fakequant
