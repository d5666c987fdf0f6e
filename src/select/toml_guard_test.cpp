#include "select/toml_guard.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

std::string dots(size_t count) {
  std::string text = "a";
  for (size_t i = 0; i < count; ++i) text += ".a";
  return text;
}

TEST(FindTomlFault, CountsDotsOfKeysOnly) {
  EXPECT_FALSE(find_toml_fault(dots(kMaxKeyDots)));
  EXPECT_TRUE(find_toml_fault(dots(kMaxKeyDots + 1)));
  for (const char* quotes : {"'", "\"", "'''", "\"\"\""}) {
    std::string text =
        "[[rule]] # " + dots(2000) + "\ntensors = " + quotes + dots(2000) + quotes + "\nformat = 'bf16'";
    EXPECT_FALSE(find_toml_fault(text)) << quotes;
  }
}

TEST(FindTomlFault, FindsTheEndOfEveryKindOfStringAndComment) {
  for (const char* before :
       {"x = 'y' # '\n", "x = '''y'''\n", "x = \"y\\\"\"\n", "x = ''\n", "x = \"\"\n", "x = '\\'\n",
        "x = \"\"\"a\\\"\"\"b\"\"\"\n", "x = '''a'b''c'''\n", "x = 'unfinished\n", "# \"\"\"\n"}) {
    EXPECT_TRUE(find_toml_fault(before + dots(2000) + " = 1")) << before;
  }
  EXPECT_FALSE(find_toml_fault("x = \"\"\"" + dots(2000)));
  EXPECT_FALSE(find_toml_fault("x = \"\\"));
  EXPECT_FALSE(find_toml_fault(""));
}

TEST(FindTomlFault, RefusesBytesAbove127WhereBlanksAreLookedFor) {
  EXPECT_FALSE(
      find_toml_fault("\xef\xbb\xbfx = '\xc3\xa9' # \xc3\xa9\ny = \"\xc3\xa9\"\nz = '''\xc3\xa9'''"));
  auto fault = find_toml_fault("a = 1\nb\xc3\xa9 = 2");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->line, 2u);
  EXPECT_EQ(fault->problem, "a character outside ASCII stands outside quotes (column 2)");
  EXPECT_TRUE(find_toml_fault("a = \"\"\"\\\n\xc3\xa9\"\"\""));
  EXPECT_TRUE(find_toml_fault("a\xef\xbb\xbf"));
}

}  // namespace
}  // namespace fakequant
