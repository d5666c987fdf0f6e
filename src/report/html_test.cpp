#include "report/html.h"

#include <gtest/gtest.h>

namespace fakequant::report {
namespace {

TEST(HtmlText, EscapesWhatMeansSomething) {
  EXPECT_EQ(html_text("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
  EXPECT_EQ(html_text("你好\n\t"), "你好\n\t");
}

TEST(HtmlText, ReplacesWhatAPageCannotHold) {
  using namespace std::string_view_literals;
  EXPECT_EQ(html_text("a\0b\x1b\x7f"sv),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(html_text("\xff"), "\xEF\xBF\xBD");
}

TEST(HtmlJson, CannotEndItsElement) {
  EXPECT_EQ(html_json(R"({"a": "</script><!--"})"), R"({"a": "\u003c/script>\u003c!--"})");
}

TEST(JournalLink, IsNothingForNoLine) {
  EXPECT_EQ(journal_link(0), "");
  EXPECT_NE(journal_link(12).find("href=\"#J12\""), std::string::npos);
}

TEST(HtmlTable, SortsNumbersByValueAndHeadsItsRows) {
  HtmlTable table{
      "A & B",
      {{.title = "name"}, {.title = "size", .unit = "nats", .is_number = true, .help = "how \"big\""}},
      {{.cells = {{.html = "one"}, {.html = "1.5 %", .number = 0.015}}},
       {.cells = {{.html = "two"}, {.html = "n/a"}}}}};
  std::string html = html_table(table);
  EXPECT_NE(html.find("aria-label=\"A &amp; B\""), std::string::npos);
  EXPECT_NE(html.find("<th scope=\"row\">one</th><td class=\"number\" data-v=\"0.015\">1.5 %</td>"),
            std::string::npos);
  EXPECT_NE(html.find("<td class=\"number\" data-v=\"\">n/a</td>"), std::string::npos);
  EXPECT_NE(html.find("title=\"how &quot;big&quot;\""), std::string::npos);
  EXPECT_NE(html.find("<span class=\"unit\">nats</span>"), std::string::npos);
}

}  // namespace
}  // namespace fakequant::report
