#include "report/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace fakequant::report {
namespace {

constexpr const char* kLineEnd = "\r\n";

std::string quoted_field(std::string_view text) {
  if (text.find_first_of("\",\r\n") == std::string_view::npos) return std::string(text);
  std::string result = "\"";
  for (char c : text) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + "\"";
}

std::string text_field(std::string_view text) {
  std::string valid = valid_utf8(text);
  constexpr std::string_view kFormula = "=+-@\t\r";
  bool looks_like_formula =
      !valid.empty() && valid != "-" && kFormula.find(valid[0]) != std::string_view::npos;
  if (looks_like_formula) valid.insert(valid.begin(), '\'');
  return quoted_field(valid);
}

std::string number_field(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return "";
  return fmt::format("{}", *value);
}

std::string line_numbers(std::vector<size_t> lines) {
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string result;
  for (size_t line : lines) {
    if (line > 0) result += fmt::format("{}{}", result.empty() ? "" : " ", line);
  }
  return result;
}

}  // namespace

std::string csv_path(std::string_view table) {
  return fmt::format("{}/{}.csv", kCsvFolder, table);
}

std::string csv_table(const ReportTable& table) {
  std::string result;
  for (const Column& column : table.columns) {
    result += fmt::format("{},", column.key);
    if (column.has_error) result += fmt::format("{}_error,", column.key);
  }
  result += std::string("journal_lines") + kLineEnd;
  for (const std::vector<Cell>& row : table.rows) {
    std::vector<size_t> lines;
    for (size_t c = 0; c < row.size(); ++c) {
      const Column& column = table.columns[c];
      result += (column.is_number ? number_field(row[c].value) : text_field(row[c].text)) + ",";
      if (column.has_error) result += number_field(row[c].error) + ",";
      lines.push_back(row[c].line);
    }
    result += line_numbers(std::move(lines)) + kLineEnd;
  }
  return result;
}

std::string csv_findings(const std::vector<Finding>& findings) {
  std::string result = std::string("kind,severity,text,journal_lines") + kLineEnd;
  for (const Finding& finding : findings) {
    result += fmt::format("{},{},{},{}{}", finding.kind, word_of(finding.severity), text_field(finding.text),
                          line_numbers(finding.lines), kLineEnd);
  }
  return result;
}

}  // namespace fakequant::report
