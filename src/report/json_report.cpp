#include "report/json_report.h"

#include <algorithm>

#include "base/text.h"
#include "report/findings.h"
#include "report/methods.h"
#include "report/tables.h"

namespace fakequant::report {
namespace {

Json row_json(const ReportTable& table, const std::vector<Cell>& row) {
  Json result = Json::object();
  std::vector<size_t> lines;
  for (size_t c = 0; c < row.size(); ++c) {
    const Column& column = table.columns[c];
    result[column.key] = column.is_number ? json_number(row[c].value) : Json(valid_utf8(row[c].text));
    if (column.has_error) result[std::string(column.key) + "_error"] = json_number(row[c].error);
    if (row[c].line > 0) lines.push_back(row[c].line);
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  result["journal_lines"] = lines;
  return result;
}

Json table_json(const ReportTable& table) {
  Json columns = Json::array();
  for (const Column& column : table.columns) {
    columns.push_back(
        {{"key", column.key}, {"title", column.title}, {"unit", column.unit}, {"help", column.help}});
  }
  Json rows = Json::array();
  for (const std::vector<Cell>& row : table.rows) rows.push_back(row_json(table, row));
  return {{"title", table.title}, {"columns", columns}, {"rows", rows}};
}

Json findings_json(const std::vector<Finding>& findings) {
  Json result = Json::array();
  for (const Finding& finding : findings) {
    result.push_back({{"kind", finding.kind},
                      {"severity", word_of(finding.severity)},
                      {"text", valid_utf8(finding.text)},
                      {"journal_lines", finding.lines}});
  }
  return result;
}

Json tables_json(const std::vector<ReportTable>& tables) {
  Json result = Json::object();
  for (const ReportTable& table : tables) result[table.key] = table_json(table);
  return result;
}

}  // namespace

Json report_json(const RunReport& report) {
  Json methods = Json::array();
  for (const Method& method : methods_of(report))
    methods.push_back({{"name", method.name}, {"text", valid_utf8(method.text)}});
  return {{"schema_version", kReportSchemaVersion},
          {"kind", "fakequant report"},
          {"title", valid_utf8(report.title)},
          {"description", valid_utf8(report.description)},
          {"program", valid_utf8(report.program)},
          {"llama_cpp", valid_utf8(report.llama_cpp)},
          {"key", valid_utf8(report.key)},
          {"finished", report.finished()},
          {"findings", findings_json(find_all(report))},
          {"tables", tables_json(report_tables(report))},
          {"methods", std::move(methods)},
          {"experiment_file", valid_utf8(report.experiment_file)}};
}

Json comparison_json(const RunComparison& comparison) {
  return {{"schema_version", kReportSchemaVersion},
          {"kind", "fakequant comparison"},
          {"a", valid_utf8(comparison.a)},
          {"b", valid_utf8(comparison.b)},
          {"findings", findings_json(comparison.findings)},
          {"tables", tables_json(comparison.tables)}};
}

}  // namespace fakequant::report
