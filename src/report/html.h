#pragma once
// HTML text: everything that comes from a file is escaped here. Knows tables and links to journal lines, no measures.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant::report {

// Text for the inside of an element or of a quoted attribute: & < > " ' are escaped; bytes that are not UTF-8 and control characters other
// than tab and line end become U+FFFD.
std::string html_text(std::string_view text);

// JSON for the inside of <script type="application/json">: no "<" is left, so that nothing in it can end the element.
std::string html_json(std::string_view json);

// Links to lines of the journal; "" for line 0, which is none.
std::string journal_link(size_t line);

struct HtmlColumn {
  std::string title;
  std::string unit = {};  // under the title; "" for none
  bool is_number = false;
  std::string help = {};  // what it is, for whoever points at it
};

struct HtmlCell {
  std::string html;                   // escaped already
  std::optional<double> number = {};  // to sort by; nothing sorts last in a column of numbers
  std::string css = {};               // a class, "" for the column's own
};

struct HtmlRow {
  std::vector<HtmlCell> cells;  // as many as columns; the first is the row's heading
  std::string css = {};
};

struct HtmlTable {
  std::string caption;  // plain text: what the table is
  std::vector<HtmlColumn> columns;
  std::vector<HtmlRow> rows;
};

// The table in a box of its own, which scrolls; page.js makes it sortable.
std::string html_table(const HtmlTable& table);

}  // namespace fakequant::report
