#include "report/markdown_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace fakequant::report {
namespace {

TEST(MarkdownEscaped, LeavesWhatIsNoMarkup) {
  for (const char* text :
       {"blk.0.ffn_norm.weight", "bf16:rtz", "mean_rel < 0.01", "a <= b", "1.3 % +/- 0.2 %", "Q4_K & F16"}) {
    EXPECT_EQ(markdown_escaped(text), text);
  }
}

TEST(MarkdownEscaped, EscapesMarkupHtmlAndLinks) {
  EXPECT_EQ(markdown_escaped("<script>"), "\\<script>");
  EXPECT_EQ(markdown_escaped("a|b"), "a\\|b");
  EXPECT_EQ(markdown_escaped("[x](y)"), "\\[x\\](y)");
  EXPECT_EQ(markdown_escaped("*a* _b_ `c` ~~d~~ $e$"), "\\*a\\* \\_b\\_ \\`c\\` \\~\\~d\\~\\~ \\$e\\$");
  EXPECT_EQ(markdown_escaped("&lt;"), "\\&lt;");
  EXPECT_EQ(markdown_escaped("http://x"), "http\\://x");
  EXPECT_EQ(markdown_escaped("@someone"), "\\@someone");
}

TEST(MarkdownEscaped, EscapesWhatBeginsALine) {
  EXPECT_EQ(markdown_escaped("# a"), "\\# a");
  EXPECT_EQ(markdown_escaped("> a"), "\\> a");
  EXPECT_EQ(markdown_escaped("- a"), "\\- a");
  EXPECT_EQ(markdown_escaped("12. a"), "12\\. a");
  EXPECT_EQ(markdown_escaped("1.5"), "1.5");
  EXPECT_EQ(markdown_escaped("-0.5"), "-0.5");
}

TEST(MarkdownEscaped, StaysOnOneLineAndIsPrintable) {
  EXPECT_EQ(markdown_escaped("a\nb\tc"), "a b c");
  EXPECT_EQ(markdown_escaped("a\x1b[0m"), "a\\\\x1b\\[0m");
}

TEST(MarkdownCodeBlock, CannotBeEndedByItsText) {
  EXPECT_EQ(markdown_code_block("a\nb"), "```text\na\nb\n```\n");
  EXPECT_EQ(markdown_code_block("````"), "`````text\n````\n`````\n");
  EXPECT_EQ(markdown_code_block("\x1b"), "```text\n\\x1b\n```\n");
}

TEST(JournalMarks, AreSortedAndFew) {
  EXPECT_EQ(journal_marks({}), "");
  EXPECT_EQ(journal_marks({0}), "");
  EXPECT_EQ(journal_marks({7, 3, 7, 0}), "[J3] [J7]");
  EXPECT_EQ(journal_marks({1, 2, 3, 4, 5, 6, 7, 8, 9}), "[J1] [J2] [J3] [J4] [J5] [J6] ...");
}

ReportTable table(size_t rows) {
  ReportTable result{.key = "things", .title = "Things", .note = "", .columns = {}, .rows = {}};
  result.columns = {{"name", "name", "", false, false, ""},
                    {"empty", "empty", "", false, false, ""},
                    {"size", "size", "", true, false, ""}};
  for (size_t i = 0; i < rows; ++i) {
    Cell name{.text = fmt::format("x|{}", i), .value = {}, .error = {}, .line = 0};
    Cell size{.text = "1", .value = 1.0, .error = {}, .line = i + 3};
    result.rows.push_back({name, Cell{}, size});
  }
  return result;
}

TEST(MarkdownTable, IsAlignedAndMarksLines) {
  EXPECT_EQ(markdown_table(table(1), {10, "x.csv"}),
            "| name | size | journal |\n"
            "| ---- | ---: | ------- |\n"
            "| x\\|0 |    1 | [J3]    |\n");
}

TEST(MarkdownTable, SaysWhereTheRestIs) {
  std::string text = markdown_table(table(3), {2, "report_csv/things.csv"});
  EXPECT_EQ(text.find("x\\|2"), std::string::npos);
  EXPECT_NE(text.find("The first 2 of 3 rows; all of them are in `report_csv/things.csv`"),
            std::string::npos);
}

}  // namespace
}  // namespace fakequant::report
