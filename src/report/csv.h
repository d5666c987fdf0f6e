#pragma once
// The tables of a report as CSV (RFC 4180): one file for each table, one header line, one line for each row. Knows no sentences.

#include <string>
#include <string_view>
#include <vector>

#include "report/findings.h"
#include "report/tables.h"

namespace fakequant::report {

inline constexpr const char* kCsvFolder = "report_csv";

// Where a table's file is, seen from the report: "report_csv/tensors.csv".
std::string csv_path(std::string_view table);

// A table with CRLF line ends. Columns are named by their keys. Numbers are as short as reads back the same double, shares are plain (0.01,
// not 1 %), nothing is an empty field; a column with a standard error is followed by KEY_error. The last column, journal_lines, has the lines
// of the journal that a row is from, separated by spaces. Text is as it is in the journal, with bytes that are not UTF-8 replaced; a text
// that a spreadsheet would take for a formula gets a ' in front.
std::string csv_table(const ReportTable& table);

// The findings in the same form: kind, severity, text, journal_lines.
std::string csv_findings(const std::vector<Finding>& findings);

}  // namespace fakequant::report
