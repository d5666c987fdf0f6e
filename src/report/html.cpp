#include "report/html.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace fakequant::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What stands for a character in HTML; "" for itself.
std::string_view escaped(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    case '\t':
    case '\n':
      return "";
    default:
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? kReplacement : "";
  }
}

std::string attribute(std::string_view name, std::string_view value) {
  return value.empty() ? "" : fmt::format(" {}=\"{}\"", name, html_text(value));
}

std::string heading_row(const std::vector<HtmlColumn>& columns) {
  std::string html = "<thead><tr>";
  for (const HtmlColumn& column : columns) {
    std::string css = &column == &columns.front() ? "row-head" : column.is_number ? "number" : "";
    html += fmt::format("<th scope=\"col\"{}{}><span class=\"title\">{}</span>", attribute("class", css),
                        attribute("title", column.help), html_text(column.title));
    if (!column.unit.empty()) html += fmt::format("<span class=\"unit\">{}</span>", html_text(column.unit));
    html += "</th>";
  }
  return html + "</tr></thead>\n";
}

std::string cell(const HtmlColumn& column, const HtmlCell& cell, bool is_heading) {
  std::string sort = column.is_number
                         ? fmt::format(" data-v=\"{}\"", cell.number ? fmt::format("{}", *cell.number) : "")
                         : "";
  std::string css = !cell.css.empty() ? cell.css : column.is_number ? "number" : "";
  if (is_heading)
    return fmt::format("<th scope=\"row\"{}{}>{}</th>", attribute("class", css), sort, cell.html);
  return fmt::format("<td{}{}>{}</td>", attribute("class", css), sort, cell.html);
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string html;
  for (char c : valid_utf8(text)) {
    std::string_view instead = escaped(c);
    if (instead.empty())
      html += c;
    else
      html += instead;
  }
  return html;
}

std::string html_json(std::string_view json) {
  std::string safe;
  for (char c : json) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

std::string journal_link(size_t line) {
  if (line == 0) return "";
  return fmt::format("<a class=\"j\" href=\"#J{0}\" title=\"line {0} of journal.jsonl\">J{0}</a>", line);
}

std::string html_table(const HtmlTable& table) {
  std::string label = html_text(table.caption);
  std::string html = fmt::format(
      "<div class=\"table-box\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\">\n<table "
      "aria-label=\"{0}\">\n",
      label);
  html += heading_row(table.columns) + "<tbody>\n";
  for (const HtmlRow& row : table.rows) {
    FQ_CHECK(row.cells.size() == table.columns.size());
    html += fmt::format("<tr{}>", attribute("class", row.css));
    for (size_t i = 0; i < row.cells.size(); ++i) html += cell(table.columns[i], row.cells[i], i == 0);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace fakequant::report
