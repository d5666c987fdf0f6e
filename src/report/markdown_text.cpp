#include "report/markdown_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/figures.h"

namespace fakequant::report {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Whether the character at `i` would be markup there. An underscore within a word is none, nor is < before a space.
bool is_markup(std::string_view text, size_t i) {
  char c = text[i];
  char before = i > 0 ? text[i - 1] : ' ';
  char after = i + 1 < text.size() ? text[i + 1] : ' ';
  constexpr std::string_view kAlways = "\\`*[]|~$";
  if (kAlways.find(c) != std::string_view::npos) return true;
  if (c == '_') return !(is_letter_or_digit(before) && is_letter_or_digit(after));
  if (c == '<') return after != ' ' && after != '=';
  if (c == '&') return is_letter_or_digit(after) || after == '#';
  if (c == '@') return is_letter_or_digit(after);
  if (c == ':') return text.substr(i).starts_with("://");
  // What begins a line as a heading, quotation or list.
  if (i == 0)
    return c == '#' || c == '>' || ((c == '-' || c == '+' || c == '=') && (after == ' ' || after == c));
  bool numbered = (c == '.' || c == ')') && after == ' ';
  return numbered && text.substr(0, i).find_first_not_of("0123456789") == std::string_view::npos;
}

// Columns of a monospaced font, near enough: bytes that begin a character.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::vector<size_t> lines_of(const std::vector<Cell>& row) {
  std::vector<size_t> lines;
  for (const Cell& cell : row) lines.push_back(cell.line);
  return lines;
}

// Cells as Markdown, headings first, with the journal column; empty columns are gone.
struct MarkdownCells {
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> right_aligned;

  MarkdownCells(const ReportTable& table, size_t most_rows) {
    size_t count = std::min(table.rows.size(), most_rows);
    std::vector<std::string> headings;
    std::vector<size_t> columns;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      bool empty = std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
        return row[c].text.empty() || row[c].text == kNoNumber;
      });
      if (empty) continue;
      columns.push_back(c);
      headings.push_back(table.columns[c].title);
      right_aligned.push_back(table.columns[c].is_number);
    }
    bool marked = false;
    rows.push_back(std::move(headings));
    for (size_t r = 0; r < count; ++r) {
      std::vector<std::string>& cells = rows.emplace_back();
      for (size_t c : columns) cells.push_back(markdown_escaped(table.rows[r][c].text));
      cells.push_back(journal_marks(lines_of(table.rows[r])));
      marked = marked || !cells.back().empty();
    }
    if (marked) {
      rows[0].push_back("journal");
      right_aligned.push_back(false);
    } else {
      for (size_t r = 1; r < rows.size(); ++r) rows[r].pop_back();
    }
  }
};

std::string line_of(const std::vector<std::string>& cells, const std::vector<size_t>& widths,
                    const std::vector<bool>& right_aligned) {
  std::string line = "|";
  for (size_t c = 0; c < cells.size(); ++c) {
    std::string padding(widths[c] - width_of(cells[c]), ' ');
    line += right_aligned[c] ? fmt::format(" {}{} |", padding, cells[c])
                             : fmt::format(" {}{} |", cells[c], padding);
  }
  return line + "\n";
}

}  // namespace

std::string markdown_escaped(std::string_view text) {
  std::string one_line(text);
  for (char& c : one_line) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  std::string safe = printable(one_line);
  std::string result;
  for (size_t i = 0; i < safe.size(); ++i) {
    if (is_markup(safe, i)) result += '\\';
    result += safe[i];
  }
  return result;
}

std::string markdown_code_block(std::string_view text) {
  std::string body;
  for (const std::string& line : split(text, '\n')) body += printable(line) + "\n";
  size_t longest = 0, run = 0;
  for (char c : body) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  std::string fence(std::max<size_t>(3, longest + 1), '`');
  return fmt::format("{}text\n{}{}\n", fence, body, fence);
}

std::string journal_marks(const std::vector<size_t>& lines) {
  constexpr size_t kMost = 8, kShown = 6;
  std::vector<size_t> sorted;
  for (size_t line : lines) {
    if (line > 0) sorted.push_back(line);
  }
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  bool cut = sorted.size() > kMost;
  if (cut) sorted.resize(kShown);
  std::vector<std::string> marks;
  for (size_t line : sorted) marks.push_back(fmt::format("[J{}]", line));
  if (cut) marks.push_back("...");
  return join(marks, " ");
}

std::string markdown_table(const ReportTable& table, const TableLimits& limits) {
  MarkdownCells cells(table, limits.rows);
  std::vector<size_t> widths;
  for (size_t c = 0; c < cells.rows[0].size(); ++c) {
    size_t width = 3;
    for (const auto& row : cells.rows) width = std::max(width, width_of(row[c]));
    widths.push_back(width);
  }
  std::string result = line_of(cells.rows[0], widths, cells.right_aligned);
  result += "|";
  for (size_t c = 0; c < widths.size(); ++c) {
    bool right = cells.right_aligned[c];
    result += fmt::format(" {}{} |", std::string(widths[c] - (right ? 1 : 0), '-'), right ? ":" : "");
  }
  result += "\n";
  for (size_t r = 1; r < cells.rows.size(); ++r)
    result += line_of(cells.rows[r], widths, cells.right_aligned);
  if (table.rows.size() > limits.rows) {
    result +=
        fmt::format("\nThe first {} of {} rows; all of them are in `{}` (`fakequant report --format csv`).\n",
                    limits.rows, format_count(table.rows.size()), limits.whole);
  }
  return result;
}

}  // namespace fakequant::report
