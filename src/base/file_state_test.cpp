#include "base/file_state.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fakequant {
namespace {

class FileStates : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::path(testing::TempDir()) / "file_state_test.bin").string();
    write("one");
  }
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  std::string path_;
};

TEST_F(FileStates, NoticesAnotherSizeAndAnotherTime) {
  FileState state(path_);
  EXPECT_TRUE(state.is_current());
  write("longer");
  EXPECT_FALSE(state.is_current());
  write("one");
  auto time = std::filesystem::last_write_time(path_);
  FileState again(path_);
  std::filesystem::last_write_time(path_, time + std::chrono::seconds(1));
  EXPECT_FALSE(again.is_current());
}

TEST_F(FileStates, LeavesFilesAloneThatAreGoneOrReplaced) {
  FileState state(path_);
  std::filesystem::rename(path_, path_ + ".moved");
  EXPECT_TRUE(state.is_current());
  write("another file");
  EXPECT_TRUE(state.is_current());
  std::filesystem::remove(path_ + ".moved");
}

}  // namespace
}  // namespace fakequant
