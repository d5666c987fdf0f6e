#include "cli/profile_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/table.h"

namespace fakequant::cli {

namespace {

constexpr size_t kMostColumns = 120;
constexpr size_t kGap = 2;  // between columns of a Table

// A heading in two lines, broken behind the underscore that makes the longer one shortest: "attn_", "output".
struct Heading {
  std::string upper;
  std::string lower;
};

Heading broken(const std::string& text) {
  Heading best{"", text};
  for (size_t place = text.find('_'); place != std::string::npos; place = text.find('_', place + 1)) {
    Heading other{text.substr(0, place + 1), text.substr(place + 1)};
    auto length = [](const Heading& heading) { return std::max(heading.upper.size(), heading.lower.size()); };
    if (length(other) < length(best)) best = other;
  }
  return best;
}

// One matrix with its headings and cells as they will stand.
struct Layout {
  std::vector<Heading> headings;  // of lead and other columns alike
  std::vector<std::vector<std::string>> rows;
  std::vector<size_t> widths;

  Layout(const Matrix& matrix, bool two_lines) {
    bool any_marked = false;
    for (const Matrix::Row& row : matrix.rows)
      any_marked = any_marked || std::ranges::any_of(row.cells, &Matrix::Cell::marked);
    for (const std::string& header : matrix.lead_headers) headings.push_back({"", header});
    // A star stands in a column of its own: it would move the digits before it.
    std::string blank = any_marked ? " " : "";
    for (const std::string& header : matrix.headers) {
      Heading heading = two_lines ? broken(header) : Heading{"", header};
      headings.push_back({heading.upper + blank, heading.lower + blank});
    }
    for (const Matrix::Row& row : matrix.rows) {
      std::vector<std::string> cells = row.lead;
      for (const Matrix::Cell& cell : row.cells) cells.push_back(cell.text + (cell.marked ? "*" : blank));
      rows.push_back(std::move(cells));
    }
    for (size_t c = 0; c < headings.size(); ++c) {
      size_t width = std::max(headings[c].upper.size(), headings[c].lower.size());
      for (const auto& row : rows) width = std::max(width, row[c].size());
      widths.push_back(width);
    }
  }

  size_t width() const {
    size_t sum = 0;
    for (size_t width : widths) sum += width + kGap;
    return sum - kGap;
  }
};

std::string table_text(const Layout& layout, const std::vector<size_t>& columns, bool two_lines) {
  std::vector<Table::Column> headings;
  std::vector<std::string> second;
  for (size_t c : columns) {
    const Heading& heading = layout.headings[c];
    headings.push_back(
        {two_lines ? heading.upper : heading.lower, c == 0 ? Table::Align::left : Table::Align::right});
    second.push_back(heading.lower);
  }
  Table table(headings);
  if (two_lines) table.add(second);
  for (const auto& row : layout.rows) {
    std::vector<std::string> cells;
    cells.reserve(columns.size());
    for (size_t c : columns) cells.push_back(row[c]);
    table.add(std::move(cells));
  }
  std::string text = table.text(terminal_styles());
  if (two_lines && terminal_styles()) {
    size_t begin = text.find('\n') + 1;
    text.insert(text.find('\n', begin), "\033[0m");
    text.insert(begin, "\033[1m");
  }
  return text;
}

// The columns of each table: the leading ones and some of the others, about as many in each.
std::vector<std::vector<size_t>> cut(const Layout& layout, size_t lead_count) {
  size_t lead_width = 0;
  for (size_t c = 0; c < lead_count; ++c) lead_width += layout.widths[c] + (c > 0 ? kGap : 0);
  auto cut_at_most = [&](size_t most) {
    std::vector<std::vector<size_t>> parts;
    size_t width = kMostColumns;
    size_t count = most;
    for (size_t c = lead_count; c < layout.widths.size(); ++c) {
      if (count == most || (count > 0 && width + kGap + layout.widths[c] > kMostColumns)) {
        parts.emplace_back(lead_count);
        std::iota(parts.back().begin(), parts.back().end(), size_t{0});
        width = lead_width;
        count = 0;
      }
      parts.back().push_back(c);
      width += kGap + layout.widths[c];
      ++count;
    }
    return parts;
  };
  size_t columns = layout.widths.size() - lead_count;
  size_t fewest = cut_at_most(columns).size();
  return cut_at_most((columns + fewest - 1) / fewest);
}

}  // namespace

void print(const std::vector<Matrix>& matrices) {
  bool two_lines = std::ranges::any_of(
      matrices, [](const Matrix& matrix) { return Layout(matrix, false).width() > kMostColumns; });
  for (const Matrix& matrix : matrices) {
    fmt::print("{}\n", matrix.title);
    Layout layout(matrix, two_lines);
    for (const std::vector<size_t>& columns : cut(layout, matrix.lead_headers.size()))
      fmt::print("{}\n", table_text(layout, columns, two_lines));
  }
}

}  // namespace fakequant::cli
