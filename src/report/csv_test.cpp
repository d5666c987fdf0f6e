#include "report/csv.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant::report {
namespace {

ReportTable table(const std::string& text, std::optional<double> value, std::optional<double> error) {
  ReportTable result{.key = "things", .title = "Things", .note = "", .columns = {}, .rows = {}};
  result.columns = {{"name", "name", "", false, false, ""}, {"size", "size", "", true, true, ""}};
  result.rows.push_back({{.text = text, .value = {}, .error = {}, .line = 7},
                         {.text = "", .value = value, .error = error, .line = 3}});
  return result;
}

TEST(CsvTable, HasErrorsAndLinesAsColumns) {
  EXPECT_EQ(csv_table(table("a", 0.1, 0.25)), "name,size,size_error,journal_lines\r\na,0.1,0.25,3 7\r\n");
}

TEST(CsvTable, LeavesEmptyWhatIsNoNumber) {
  EXPECT_EQ(csv_table(table("a", std::nullopt, NAN)), "name,size,size_error,journal_lines\r\na,,,3 7\r\n");
}

TEST(CsvTable, NumbersReadBackTheSame) {
  double value = 0.1 + 0.2;
  std::string text = csv_table(table("a", value, std::nullopt));
  EXPECT_NE(text.find("a,0.30000000000000004,"), std::string::npos) << text;
}

TEST(CsvTable, QuotesAsRfc4180) {
  EXPECT_NE(csv_table(table("a,b", 1, 1)).find("\"a,b\",1,1"), std::string::npos);
  EXPECT_NE(csv_table(table("say \"x\"", 1, 1)).find("\"say \"\"x\"\"\",1,1"), std::string::npos);
  EXPECT_NE(csv_table(table("a\nb", 1, 1)).find("\"a\nb\",1,1"), std::string::npos);
}

TEST(CsvTable, IsNoFormula) {
  EXPECT_NE(csv_table(table("=1+1", 1, 1)).find("'=1+1,1,1"), std::string::npos);
  EXPECT_NE(csv_table(table("-", 1, 1)).find("\r\n-,1,1"), std::string::npos);
}

TEST(CsvTable, IsUtf8) {
  EXPECT_NE(csv_table(table("a\xff", 1, 1)).find("a\xEF\xBF\xBD,1,1"), std::string::npos);
}

TEST(CsvFindings, HaveKindAndLines) {
  EXPECT_EQ(csv_findings({{"cost", Severity::answer, "a, b", {2, 5}}}),
            "kind,severity,text,journal_lines\r\ncost,answer,\"a, b\",2 5\r\n");
}

}  // namespace
}  // namespace fakequant::report
