#include "base/text.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(FormatBytes, HasFourSignificantDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.000 KiB");
  EXPECT_EQ(format_bytes(9236512), "8.809 MiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.000 MiB");
  EXPECT_EQ(format_bytes(640ull << 20), "640.0 MiB");
}

TEST(ParseBytes, TakesWhatAPersonMeans) {
  struct Case {
    const char* text;
    uint64_t bytes;
  };
  for (auto [text, bytes] :
       {Case{"4096", 4096}, Case{"0", 0}, Case{"7b", 7}, Case{"1K", 1024}, Case{"500M", 500ull << 20},
        Case{"2G", 2ull << 30}, Case{"1.5GiB", 3ull << 29}, Case{"1.5gib", 3ull << 29},
        Case{"3TB", 3ull << 40}, Case{"2kb", 2048}, Case{"0.5k", 512}, Case{"1.9", 1},
        Case{"9223372036854775808", 1ull << 63}, Case{"8388608T", 1ull << 63}}) {
    EXPECT_EQ(parse_bytes(text), bytes) << text;
  }
}

TEST(ParseBytes, TakesNothingElse) {
  for (const char* text :
       {"",         "M",           "GiB",  "-1",    "+1",  " 1",   "1 ",  "1 G", "1x", "1Gi",
        "1GG",      "1Gb2",        "1bib", "1.2.3", "1e3", "0x10", "inf", "nan", ".",  "9223372036854777856",
        "8388609T", "99999999999T"}) {
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
  }
}

TEST(ParseSeconds, TakesANumberAndAUnit) {
  EXPECT_EQ(parse_seconds("90 s"), 90);
  EXPECT_EQ(parse_seconds("90s"), 90);
  EXPECT_EQ(parse_seconds("5 min"), 300);
  EXPECT_EQ(parse_seconds("2H"), 7200);
  EXPECT_EQ(parse_seconds("1.5 d"), 129600);
  EXPECT_EQ(parse_seconds("250 ms"), 0.25);
}

TEST(ParseSeconds, TakesNothingElse) {
  for (const char* text :
       {"", "90", "s", "-1 s", "+1 s", " 1 s", "1 s ", "1 m", "1h30", "1 hour", "1e3 s", "inf s", "1.2.3 s"})
    EXPECT_EQ(parse_seconds(text), std::nullopt) << text;
}

TEST(FormatCount, SeparatesThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Counted, AgreesInNumber) {
  EXPECT_EQ(counted(0, "tensor"), "0 tensors");
  EXPECT_EQ(counted(1, "tensor"), "1 tensor");
  EXPECT_EQ(counted(1200, "zero"), "1,200 zeros");
}

TEST(SomeOf, NamesTheFirstAndCountsTheRest) {
  EXPECT_EQ(some_of({}), "");
  EXPECT_EQ(some_of({"a", "b", "c", "d"}), "a, b, c, d");
  EXPECT_EQ(some_of({"a", "b", "c", "d", "e"}), "a, b, c and 2 more");
}

TEST(ShellQuoted, QuotesWhatAShellWouldSplitOrExpand) {
  EXPECT_EQ(shell_quoted("dir/a-1.gguf"), "dir/a-1.gguf");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(ParseUnsigned, TakesWholeNumbersOnly) {
  uint64_t value = 0;
  EXPECT_TRUE(parse_unsigned("18446744073709551615", value));
  EXPECT_EQ(value, UINT64_MAX);
  for (const char* text : {"", "-1", "+1", "1 ", " 1", "1x", "18446744073709551616", "0x10"}) {
    EXPECT_FALSE(parse_unsigned(text, value)) << text;
  }
}

TEST(ParseDouble, TakesFiniteNumbersOnly) {
  double value = 0;
  EXPECT_TRUE(parse_double("1e-12", value));
  EXPECT_EQ(value, 1e-12);
  for (const char* text : {"", "nan", "inf", "1e999", "1.0x"})
    EXPECT_FALSE(parse_double(text, value)) << text;
}

TEST(Printable, KeepsUtf8AndEscapesTheRest) {
  EXPECT_EQ(printable("blk.0 \xE4\xBD\xA0"), "blk.0 \xE4\xBD\xA0");
  EXPECT_EQ(printable("\033[31m"), "\\x1b[31m");
  EXPECT_EQ(printable("a\n"), "a\\x0a");
  EXPECT_EQ(printable("\xC0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xE4\xBD"), "\\xe4\\xbd");           // cut short
  EXPECT_EQ(printable("\xC2\x9B"), "\\xc2\\x9b");           // C1 control
  EXPECT_EQ(printable("a\u202Eb"), "a\\xe2\\x80\\xaeb");    // from right to left from here on
  EXPECT_EQ(printable("a\u2066b\u2029"), "a\\xe2\\x81\\xa6b\\xe2\\x80\\xa9");
  EXPECT_EQ(printable("\u2027\u202F\u2065\u206A"), "\u2027\u202F\u2065\u206A");  // their neighbours
}

TEST(Nearest, FindsMisspeltAndContainedWords) {
  std::vector<std::string> words{"ffn_norm", "attn_norm", "output"};
  EXPECT_EQ(nearest("ffn_nrom", words), std::vector<std::string>{"ffn_norm"});
  EXPECT_EQ(nearest("norm", words).size(), 2u);
  EXPECT_TRUE(nearest("zzz", words).empty());
  EXPECT_EQ(did_you_mean("outptu", words), "; did you mean output?");
  EXPECT_EQ(did_you_mean("norm", words), "; did you mean ffn_norm or attn_norm?");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
}

TEST(EditDistance, CountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
}

TEST(Excerpt, IsCutBetweenCharacters) {
  EXPECT_EQ(excerpt("short\n"), "short\\x0a");
  EXPECT_EQ(excerpt(std::string(100, 'a')), std::string(100, 'a'));
  EXPECT_EQ(excerpt(std::string(100'000, 'a')), std::string(100, 'a') + "...");
  std::string wide;
  for (int i = 0; i < 50; ++i) wide += "\xE4\xBD\xA0";
  EXPECT_EQ(excerpt(wide), wide.substr(0, 99) + "...");
}

TEST(Wrapped, BreaksBetweenWordsAndIndents) {
  EXPECT_EQ(wrapped("", {.width = 10}), "");
  EXPECT_EQ(wrapped("one two three", {.width = 7}), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", {.width = 7, .indent = 2, .used = 4}), "one\n  two\n  three");
  EXPECT_EQ(wrapped("a longer_than_a_line b", {.width = 5}), "a\nlonger_than_a_line\nb");
}

TEST(ValidUtf8, KeepsWhatIsValid) {
  std::string text = "a\n\x01 \xC3\xA9 \xE4\xBD\xA0 \xF0\x9F\x8C\xB3 \xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8(text), text);
  EXPECT_EQ(valid_utf8(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(ValidUtf8, ReplacesMaximalSubpartsOnceEach) {
  const std::string r = "\xEF\xBF\xBD";
  // The example of Unicode's section 3.9, table 3-11.
  EXPECT_EQ(valid_utf8("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(valid_utf8("\xE4\xBD"), r) << "cut short";
  EXPECT_EQ(valid_utf8("\xC0\xAF"), r + r) << "overlong";
  EXPECT_EQ(valid_utf8("\xE0\x80\xAF"), r + r + r) << "overlong";
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), r + r + r) << "a surrogate";
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), r + r + r + r) << "beyond U+10FFFF";
  EXPECT_EQ(valid_utf8("\xF4\x8F\xBF"), r);
  EXPECT_EQ(valid_utf8("\xFF"), r);
}

TEST(WholeCharacters, NeverCutsOne) {
  std::string text = "a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x8C\xB3z";
  size_t wanted[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (size_t length = 0; length < std::size(wanted); ++length)
    EXPECT_EQ(whole_characters(text, length), wanted[length]) << length;
}

}  // namespace
}  // namespace fakequant
