#pragma once
// Matrices whose columns are tensor roles, cut to the width of a screen. Knows strings only.

#include <string>
#include <vector>

namespace fakequant::cli {

struct Matrix {
  struct Cell {
    std::string text;
    bool marked = false;  // with a star: something about it is told below
  };
  struct Row {
    std::vector<std::string> lead;
    std::vector<Cell> cells;
  };

  std::string title;
  std::vector<std::string> lead_headers;  // columns at the left of every part; the first is a name
  std::vector<std::string> headers;       // may break behind an underscore
  std::vector<Row> rows;
};

// Prints each with its title. What does not fit in 120 columns gets headings of two lines, in every matrix, and is
// then cut into several tables, each with the leading columns.
void print(const std::vector<Matrix>& matrices);

}  // namespace fakequant::cli
