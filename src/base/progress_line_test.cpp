#include "base/progress_line.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fakequant {
namespace {

const ProgressState kState{"/a/long/folder/of/mine/a-model.gguf", 0.43, "1,234 tokens/s", 725,
                           "perplexity 164.9042 +/- 6.57147"};

TEST(ProgressLine, HasAllOfItWhereThereIsRoom) {
  EXPECT_EQ(progress_text(kState),
            "/a/long/folder/of/mine/a-model.gguf  43 %  1,234 tokens/s  12 min 05 s left  "
            "perplexity 164.9042 +/- 6.57147");
  EXPECT_EQ(progress_line(kState, 200), "[##########--------------] " + progress_text(kState));
  ProgressState plain{"inspect", 1, "1 GiB/s", 3};
  EXPECT_EQ(progress_line(plain, 80), "[########################] inspect 100 %  1 GiB/s  3 s left");
}

TEST(ProgressLine, SaysOfTimeWhatIsKnown) {
  EXPECT_EQ(progress_text({.label = "a", .share = 0.5, .seconds_left = 0}), "a  50 %  0 s left");
  EXPECT_EQ(progress_text({.label = "a", .share = 0.5, .seconds_left = 60, .is_least = true}),
            "a  50 %  over 1 min 00 s left");
  EXPECT_EQ(progress_text({.label = "a", .share = 0.5, .note = "x", .is_least = true}), "a  50 %  x");
}

TEST(ProgressLine, TheBarTheRateAndTheNoteGiveWayInThisOrder) {
  auto has = [](size_t columns, std::string_view part) {
    return progress_line(kState, columns).find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(125, "[##########--------------] ..."));
  EXPECT_TRUE(has(110, "[####------] .../of/mine/a-model.gguf "));
  EXPECT_TRUE(
      has(100, "...der/of/mine/a-model.gguf  43 %  1,234 tokens/s  12 min 05 s left  perplexity 164.9"));
  EXPECT_TRUE(has(80, "...of/mine/a-model.gguf  43 %  12 min 05 s left  perplexity 164.9042 +/- 6.57147"));
  EXPECT_TRUE(has(50, "...er/of/mine/a-model.gguf  43 %  12 min 05 s left"));
  EXPECT_EQ(progress_line(kState, 16), " 43 %  12 min 05");
  EXPECT_EQ(progress_line(kState, 0), "");
}

TEST(ProgressLine, IsNeverLongerThanTheTerminalIsWide) {
  for (size_t columns = 0; columns < 200; ++columns)
    EXPECT_LE(progress_line(kState, columns).size(), columns);
}

TEST(ProgressLine, CutsBetweenCharactersAndKnowsWideOnes) {
  ProgressState state{"模型模型模型模型模型模型é.gguf", 0.5, "1 GiB/s", 9};
  for (size_t columns = 24; columns < 80; ++columns) {
    std::string line = progress_line(state, columns);
    size_t wide = static_cast<size_t>(std::ranges::count(line, '\xE6') + std::ranges::count(line, '\xE5'));
    EXPECT_EQ(line.find("\xA8\xA1") == std::string::npos, line.find("\xE6\xA8\xA1") == std::string::npos);
    size_t characters = static_cast<size_t>(
        std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    EXPECT_LE(characters + wide, columns) << line;
  }
}

}  // namespace
}  // namespace fakequant
