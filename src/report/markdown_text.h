#pragma once
// Text as GitHub-flavoured Markdown: escaped, in tables, in code blocks. Knows no report.

#include <string>
#include <string_view>

#include "report/tables.h"

namespace fakequant::report {

// Text that is to be read as it is: what would be markup, a link, HTML or a formula is escaped; control characters and bytes that are not
// UTF-8 become \xNN, line ends a space.
std::string markdown_escaped(std::string_view text);

// Text in a code block, with a fence that it cannot end; control characters but line ends become \xNN.
std::string markdown_code_block(std::string_view text);

// "[J12]", "[J12] [J13]"; of more than eight the first six and "..."; "" for none. Line 0 is left out.
std::string journal_marks(const std::vector<size_t>& lines);

struct TableLimits {
  size_t rows;        // that are shown
  std::string whole;  // where all rows are: "report_csv/tensors.csv"
};

// A table with columns aligned in the source too; the last column holds the journal lines of each row. Where rows are left out, a sentence
// below says how many, and where all are. Columns whose cells are all alike stay, but empty ones are left out.
std::string markdown_table(const ReportTable& table, const TableLimits& limits);

}  // namespace fakequant::report
