#include "evaluate/logits_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "gguf/testing.h"

namespace fakequant {
namespace {

using gguf_testing::bytes_of;
using gguf_testing::error_of;
using gguf_testing::TestFolder;

struct Header {
  uint32_t context = 5;  // two of them are scored
  int32_t vocabulary = 3;
  int32_t chunks = 2;
};

std::string header_bytes(const Header& header) {
  return "_logits_" + bytes_of(header.context) + bytes_of(header.vocabulary) + bytes_of(header.chunks);
}

// Tokens 0 1 2 0 1 2 ...
std::string token_bytes(const Header& header) {
  std::string result;
  for (int i = 0; i < static_cast<int>(header.context) * header.chunks; ++i)
    result += bytes_of(int32_t{i % 3});
  return result;
}

// A row of three codes and the one that fills up.
std::string row_bytes(float step, float least, uint16_t first, uint16_t second, uint16_t third) {
  return bytes_of(step) + bytes_of(least) + bytes_of(first) + bytes_of(second) + bytes_of(third) +
         bytes_of(uint16_t{9});
}

std::string small_file() {
  Header header;
  return header_bytes(header) + token_bytes(header) + row_bytes(0.5F, -8, 0, 1, 16) +
         row_bytes(0, -1, 0, 0, 0) + row_bytes(0.25F, -20, 16, 80, 17) + row_bytes(1, -5, 5, 4, 3);
}

class LogitsFiles : public ::testing::Test {
 protected:
  std::string write(const std::string& bytes) { return folder_.write("logits", bytes); }
  std::string refusal(const std::string& bytes) {
    return error_of([&] { LogitsFile file(write(bytes)); });
  }
  // The sentence names the file, and ends as one sentence does.
  void expect_refused(const std::string& bytes, const std::string& says) {
    std::string text = refusal(bytes);
    EXPECT_NE(text.find(folder_.at("logits")), std::string::npos) << text;
    EXPECT_NE(text.find(says), std::string::npos) << text << "\nwanted " << says;
    EXPECT_NE(text.find("wanted"), std::string::npos) << text;
  }

  TestFolder folder_;
};

TEST_F(LogitsFiles, TellWhatTheyHold) {
  LogitsFile file(write(small_file()));
  EXPECT_EQ(file.context(), 5);
  EXPECT_EQ(file.vocabulary_size(), 3U);
  EXPECT_EQ(file.chunk_count(), 2U);
  EXPECT_EQ(file.scored_per_chunk(), 2U);
  std::vector<int32_t> tokens(file.tokens().begin(), file.tokens().end());
  EXPECT_EQ(tokens, (std::vector<int32_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}));
  EXPECT_EQ(file.path(), folder_.at("logits"));
}

TEST_F(LogitsFiles, DecodeTheirRows) {
  LogitsFile file(write(small_file()));
  std::vector<float> rows(6);
  file.read_rows(0, 0, rows);
  EXPECT_EQ(rows, (std::vector<float>{-8, -7.5F, 0, -1, -1, -1}));
  file.read_rows(1, 0, rows);
  EXPECT_EQ(rows, (std::vector<float>{-16, 0, -15.75F, 0, -1, -2}));
  // Any part of a chunk.
  rows.resize(3);
  file.read_rows(1, 1, rows);
  EXPECT_EQ(rows, (std::vector<float>{0, -1, -2}));
  file.read_rows(0, 2, {});
}

TEST_F(LogitsFiles, GiveRowsOfWhichNothingBelowTheFloorCounts) {
  LogitsFile file(write(small_file()));
  std::vector<float> row(3);
  file.read_rows(1, 0, row);
  BaselineRow baseline = LogitsFile::baseline_row(row);
  // -16 does not count, -15.75 does: b = (0, 1, exp(-15.75)) as it is, p uniform.
  std::vector<float> logits(3, 0.0F);
  TokenComparison found = compare_token(baseline, logits, 2);
  double wanted = std::log(3.0) + std::exp(-15.75) * (std::log(3.0) - 15.75);
  EXPECT_NEAR(found.kld, wanted, 1e-15);
  EXPECT_EQ(found.nats_baseline, 15.75);
  EXPECT_EQ(compare_token(baseline, logits, 0).nats_baseline, 16);
  EXPECT_NE(LogitsFile::clipping().find("16 nats"), std::string::npos);
}

TEST_F(LogitsFiles, PadRowsOfAnOddVocabulary) {
  Header header{3, 2, 1};
  std::string bytes = header_bytes(header) + bytes_of(int32_t{0}) + bytes_of(int32_t{1}) +
                      bytes_of(int32_t{1}) + bytes_of(0.5F) + bytes_of(-1.0F) + bytes_of(uint16_t{2}) +
                      bytes_of(uint16_t{1});
  LogitsFile file(write(bytes));
  std::vector<float> row(2);
  file.read_rows(0, 0, row);
  EXPECT_EQ(row, (std::vector<float>{0, -0.5F}));
}

TEST_F(LogitsFiles, AreRecognized) {
  EXPECT_TRUE(LogitsFile::looks_like_one(write(small_file())));
  EXPECT_TRUE(LogitsFile::looks_like_one(write("_logits_")));
  EXPECT_FALSE(LogitsFile::looks_like_one(write("_logits")));
  EXPECT_FALSE(LogitsFile::looks_like_one(write("GGUF, and so on")));
  EXPECT_FALSE(LogitsFile::looks_like_one(folder_.at("none")));
}

TEST_F(LogitsFiles, EveryTruncatedPrefixIsRefused) {
  std::string bytes = small_file();
  for (size_t length = 0; length < bytes.size(); ++length) expect_refused(bytes.substr(0, length), "found");
  expect_refused(bytes + '\0', fmt::format("found {} bytes", bytes.size() + 1));
  expect_refused(bytes + bytes.substr(bytes.size() - 32), "found 156 bytes, wanted 124");  // a chunk too many
  EXPECT_EQ(refusal(bytes), "");
}

// One byte of the header changed: refused, or, where two counts make up for each other, still all in the file.
TEST_F(LogitsFiles, EveryChangedByteOfTheHeaderIsRefused) {
  std::string bytes = small_file();
  for (size_t place = 0; place < 20; ++place) {
    for (int change : {1, 2, 4, 7, 8, 16, 32, 64, 128, 255}) {
      std::string changed = bytes;
      changed[place] = static_cast<char>(changed[place] ^ change);
      std::string text = refusal(changed);
      if (text.empty()) {
        // The even vocabulary with as many bytes: 4 for 3.
        EXPECT_EQ(place, 12U);
        EXPECT_EQ(changed[place], 4);
      }
    }
  }
}

TEST_F(LogitsFiles, CountsThatNoFileCanHaveAreRefused) {
  expect_refused(header_bytes({0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF}), "4294967295");
  expect_refused(header_bytes({1U << 30, 0x7FFFFFFF, 0x7FFFFFFF}), "incomplete");
  expect_refused(header_bytes({512, 32000, 0}), "0 chunks");
  expect_refused(header_bytes({512, 0, 1}), "0 tokens");
  expect_refused(header_bytes({512, -1, 1}), "-1 tokens");
  expect_refused(header_bytes({512, 32000, -5}), "-5 chunks");
  expect_refused(header_bytes({2, 32000, 1}), "a context of 2");
}

TEST_F(LogitsFiles, TokensOutsideTheVocabularyAreRefused) {
  for (int32_t token : {3, -1, 0x7FFFFFFF}) {
    std::string bytes = small_file();
    bytes.replace(20 + 4 * 7, 4, bytes_of(token));
    expect_refused(bytes, "as token 7");
  }
}

TEST_F(LogitsFiles, ImpossibleRowsAreNamed) {
  float nan = std::nanf("");
  for (auto [step, least] : {std::pair{nan, -1.0F},
                             {0.5F, nan},
                             {-0.5F, -1.0F},
                             {INFINITY, -1.0F},
                             {0.1F, -INFINITY},
                             {1.0F, 0.0F}}) {
    std::string bytes = small_file();
    bytes.replace(bytes.size() - 16, 16, row_bytes(step, least, 1, 2, 3));
    LogitsFile file(write(bytes));
    std::vector<float> rows(6);
    std::string text = error_of([&] { file.read_rows(1, 0, rows); });
    EXPECT_NE(text.find("chunk 2, position 3"), std::string::npos) << text;
    EXPECT_EQ(error_of([&] { file.read_rows(0, 0, rows); }), "");
  }
}

TEST_F(LogitsFiles, AFileThatBecameShorterIsAnError) {
  LogitsFile file(write(small_file()));
  std::filesystem::resize_file(folder_.at("logits"), 100);
  std::vector<float> rows(6);
  EXPECT_NE(error_of([&] { file.read_rows(1, 0, rows); }), "");
}

}  // namespace
}  // namespace fakequant
