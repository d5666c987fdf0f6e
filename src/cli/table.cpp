#include "cli/table.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "cli/text_block.h"

namespace fakequant::cli {

void Table::add(std::vector<std::string> row) {
  FQ_CHECK(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

void Table::add_rule() {
  rows_.emplace_back();
}

std::string Table::text(bool bold) const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = columns_of(columns_[c].header);
    for (const auto& row : rows_) width = std::max(width, row.empty() ? 0 : columns_of(row[c]));
    widths.push_back(width);
  }
  std::string result;
  auto append = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      std::string padding(widths[c] - columns_of(cells[c]), ' ');
      bool right = columns_[c].align == Align::right;
      line += (c > 0 ? "  " : "") + (right ? padding + cells[c] : cells[c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + "\n";
  };
  std::vector<std::string> headers;
  for (const Column& column : columns_) headers.push_back(column.header);
  append(headers);
  if (bold) result = "\033[1m" + result.substr(0, result.size() - 1) + "\033[0m\n";
  size_t total = 0;
  for (size_t width : widths) total += width + 2;
  for (const auto& row : rows_) {
    if (row.empty()) {
      result += std::string(total - 2, '-') + "\n";
    } else {
      append(row);
    }
  }
  return result;
}

bool terminal_styles() {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

std::string number(double value) {
  if (std::isnan(value)) return "-";
  return fmt::format("{:.5g}", value);
}

std::string percent(double fraction) {
  if (std::isnan(fraction)) return "-";
  // 99.96 % must not read as all of them.
  if (fraction < 1 && fraction > 0.9995) return ">99.9 %";
  if (fraction > 0 && fraction < 0.0005) return "<0.1 %";
  return fmt::format("{:.{}f} %", fraction * 100, fraction == 0 || fraction == 1 ? 0 : 1);
}

}  // namespace fakequant::cli
