#pragma once
// Aligned columns for a person to read. Knows strings only.

#include <string>
#include <vector>

namespace fakequant::cli {

class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string header;
    Align align = Align::right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row);
  void add_rule();  // a line across, before a total

  // The table with a heading row; bold headings when `bold`.
  std::string text(bool bold) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

// Whether headings may be bold: standard output is a terminal and NO_COLOR is not set.
bool terminal_styles();

// A number with five significant digits, as short as that allows: 0, 0.0043171, 1.2e-09; "-" for NaN.
std::string number(double value);

// A fraction as a percentage: 90.6 %.
std::string percent(double fraction);

}  // namespace fakequant::cli
