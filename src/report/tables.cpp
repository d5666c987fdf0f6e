#include "report/tables.h"

#include <set>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

struct TableRow {
  std::string_view key;
  ReportTable (*make)(const RunReport& report);
};

constexpr TableRow kTables[] = {{"variants", variants_table},
                                {"divergence", divergence_table},
                                {"quantiles", quantiles_table},
                                {"confidence", confidence_table},
                                {"baselines", baselines_table},
                                {"criteria", criteria_table},
                                {"decisions", decisions_table},
                                {"tensors", tensors_table},
                                {"layers", layers_table},
                                {"precision", precision_table},
                                {"generation", generation_table},
                                {"speed", speed_table},
                                {"loads", loads_table},
                                {"models", models_table},
                                {"texts", texts_table},
                                {"settings", settings_table},
                                {"runs", runs_table},
                                {"remarks", remarks_table},
                                {"measurements", measurements_table}};

}  // namespace

Cell count_cell(std::optional<uint64_t> count, size_t line) {
  if (!count)
    return {.text = std::string(kNoNumber), .value = std::nullopt, .error = std::nullopt, .line = line};
  return {.text = format_count(*count),
          .value = static_cast<double>(*count),
          .error = std::nullopt,
          .line = line};
}

Cell bits_cell(const std::optional<BitCount>& bits, size_t line) {
  if (!bits)
    return {.text = std::string(kNoNumber), .value = std::nullopt, .error = std::nullopt, .line = line};
  return {.text = bits_figure(bits->per_weight()),
          .value = bits->per_weight(),
          .error = std::nullopt,
          .line = line};
}

void align_bits(ReportTable& table) {
  constexpr int kFewest = 2, kMost = 4;
  for (size_t column = 0; column < table.columns.size(); ++column) {
    if (table.columns[column].unit != std::string_view("bits per weight")) continue;
    auto kinds = [&](int decimals) {
      std::set<std::string> texts;
      for (const std::vector<Cell>& row : table.rows) {
        if (row[column].value) texts.insert(fmt::format("{:.{}f}", *row[column].value, decimals));
      }
      return texts.size();
    };
    int decimals = kFewest;
    while (decimals < kMost && kinds(decimals) < kinds(kMost)) ++decimals;
    for (std::vector<Cell>& row : table.rows) {
      if (row[column].value) row[column].text = fmt::format("{:.{}f}", *row[column].value, decimals);
    }
  }
}

std::vector<ReportTable> all_report_tables(const RunReport& report) {
  std::vector<ReportTable> tables;
  for (const TableRow& row : kTables) tables.push_back(row.make(report));
  return tables;
}

std::vector<ReportTable> report_tables(const RunReport& report) {
  std::vector<ReportTable> tables = all_report_tables(report);
  std::erase_if(tables, [](const ReportTable& table) { return table.rows.empty(); });
  return tables;
}

ReportTable report_table(const RunReport& report, std::string_view key) {
  for (const TableRow& row : kTables) {
    if (row.key == key) return row.make(report);
  }
  FQ_CHECK(!"a table of this name");
  return {};
}

}  // namespace fakequant::report
