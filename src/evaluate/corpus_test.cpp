#include "evaluate/corpus.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace fakequant {
namespace {

class ReadText : public ::testing::Test {
 protected:
  std::string write(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    return path_;
  }
  ~ReadText() override { std::filesystem::remove(path_); }

  std::string path_ = ::testing::TempDir() + "fakequant-corpus-" +
                      ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".txt";
};

TEST_F(ReadText, DropsOneLineEndAndNoMore) {
  EXPECT_EQ(read_text(write("a\nb")), "a\nb");
  EXPECT_EQ(read_text(write("a\nb\n")), "a\nb");
  EXPECT_EQ(read_text(write("a\nb\n\n")), "a\nb\n");
  EXPECT_EQ(read_text(write("a\r\n")), "a\r");
  EXPECT_EQ(read_text(write(std::string("a\0b\n", 4))), std::string("a\0b", 3));
}

TEST_F(ReadText, RefusesWhatHoldsNoText) {
  EXPECT_THROW(read_text(write("")), Error);
  EXPECT_THROW(read_text(write("\n")), Error);
  EXPECT_THROW(read_text(path_ + ".missing"), Error);
  EXPECT_THROW(read_text(::testing::TempDir()), Error);
}

TEST(DefaultContext, IsTheTrainingContextUpTo512) {
  EXPECT_EQ(default_context(128), 128);
  EXPECT_EQ(default_context(512), 512);
  EXPECT_EQ(default_context(131072), 512);
  EXPECT_EQ(default_context(0), 512);
}

TEST(ChunkCount, CountsWholeChunksUpToTheMost) {
  EXPECT_EQ(chunk_count(1024, 512, std::nullopt, "t"), 2U);
  EXPECT_EQ(chunk_count(2047, 512, std::nullopt, "t"), 3U);
  EXPECT_EQ(chunk_count(2047, 512, 2, "t"), 2U);
  EXPECT_EQ(chunk_count(2047, 512, 40, "t"), 3U);
}

TEST(ChunkCount, SaysHowManyTokensThereAreAndAreNeeded) {
  try {
    chunk_count(1023, 512, std::nullopt, "wiki.txt");
    FAIL();
  } catch (const Error& error) {
    std::string text = error.what();
    for (const char* part : {"wiki.txt", "1,023 tokens", "1,024", "-c 512"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
  }
}

}  // namespace
}  // namespace fakequant
