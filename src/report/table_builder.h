#pragma once
// What makes tables: cells of each kind, and rows of any type through a list of columns. Knows no measures.

#include <fmt/format.h>

#include <utility>

#include "report/figures.h"
#include "report/tables.h"

namespace fakequant::report {

// How cells of one column are made from a row of type `Row`.
template <typename Row>
struct ColumnOf {
  Column column;
  Cell (*cell)(const Row& row);
};

// Gives all cells of a column of bits per weight as many decimals as tell its numbers apart: two to four.
void align_bits(ReportTable& table);

template <typename Row, size_t Count>
ReportTable make_table(const char* key, const char* title, const ColumnOf<Row> (&columns)[Count],
                       const std::vector<Row>& rows) {
  ReportTable table{.key = key, .title = title, .note = "", .columns = {}, .rows = {}};
  for (const ColumnOf<Row>& column : columns) table.columns.push_back(column.column);
  for (const Row& row : rows) {
    std::vector<Cell>& cells = table.rows.emplace_back();
    for (const ColumnOf<Row>& column : columns) cells.push_back(column.cell(row));
  }
  align_bits(table);
  return table;
}

// A column of text, of numbers, of numbers with a standard error.
constexpr Column words(const char* key, const char* title, const char* help) {
  return {key, title, "", false, false, help};
}
constexpr Column numbers(const char* key, const char* title, const char* unit, const char* help) {
  return {key, title, unit, true, false, help};
}
constexpr Column estimates(const char* key, const char* title, const char* unit, const char* help) {
  return {key, title, unit, true, true, help};
}

inline Cell text_cell(std::string text, size_t line = 0) {
  return {.text = std::move(text), .value = std::nullopt, .error = std::nullopt, .line = line};
}
inline Cell number_cell(std::optional<double> value, size_t line) {
  return {.text = figure(value), .value = value, .error = std::nullopt, .line = line};
}
inline Cell share_cell(std::optional<double> value, size_t line) {
  return {.text = percent_figure(value), .value = value, .error = std::nullopt, .line = line};
}
inline Cell estimate_cell(const Estimate& estimate, size_t line) {
  return {.text = figure_with_error(estimate.value, estimate.error()),
          .value = estimate.value,
          .error = estimate.error(),
          .line = line};
}
inline Cell share_estimate_cell(const Estimate& estimate, size_t line) {
  return {.text = percent_with_error(estimate.value, estimate.error()),
          .value = estimate.value,
          .error = estimate.error(),
          .line = line};
}
Cell count_cell(std::optional<uint64_t> count, size_t line);
Cell bits_cell(const std::optional<BitCount>& bits, size_t line);

// The tables by subject; each may be without rows.
ReportTable variants_table(const RunReport& report);
ReportTable divergence_table(const RunReport& report);
ReportTable quantiles_table(const RunReport& report);
ReportTable confidence_table(const RunReport& report);
ReportTable baselines_table(const RunReport& report);
ReportTable criteria_table(const RunReport& report);
ReportTable decisions_table(const RunReport& report);
ReportTable tensors_table(const RunReport& report);
ReportTable layers_table(const RunReport& report);
ReportTable precision_table(const RunReport& report);
ReportTable generation_table(const RunReport& report);
ReportTable speed_table(const RunReport& report);
ReportTable loads_table(const RunReport& report);
ReportTable measurements_table(const RunReport& report);
ReportTable models_table(const RunReport& report);
ReportTable texts_table(const RunReport& report);
ReportTable settings_table(const RunReport& report);
ReportTable runs_table(const RunReport& report);
ReportTable remarks_table(const RunReport& report);

}  // namespace fakequant::report
