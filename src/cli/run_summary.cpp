#include "cli/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "cli/findings_text.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/text_block.h"
#include "experiment/metric.h"
#include "record/run_folder.h"

namespace fakequant::cli {

namespace {

std::string text_of(const Json& fields, const char* key) {
  auto found = fields.find(key);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

// A column of the table of variants: a number of one kind of measurement.
struct SummaryColumn {
  const char* header;
  const char* metric;  // that it is; null: the number at `pointer` of a divergence's result
  const char* pointer;
  std::string (*text)(double value);
  int importance;  // where a terminal is narrow, the least important go
};

constexpr SummaryColumn kColumns[] = {
    {"bits", "bits_per_weight", nullptr, [](double value) { return fmt::format("{:.4g}", value); }, 2},
    {"mean rel", "mean_rel", nullptr, [](double value) { return number(value); }, 3},
    {"ln PPL ratio", "ln_ppl_ratio", nullptr, [](double value) { return fmt::format("{:+.5f}", value); }, 9},
    {"+/-", nullptr, "/divergence/ln_ppl_ratio_error",
     [](double value) { return fmt::format("{:.5f}", value); }, 8},
    {"KLD", "kld", nullptr, [](double value) { return fmt::format("{:.3g}", value); }, 7},
    {"+/-", nullptr, "/divergence/kld_mean_error", [](double value) { return fmt::format("{:.2g}", value); },
     1},
    {"same top", "same_top", nullptr, [](double value) { return percent(value); }, 6},
    {"texts same", "texts_same", nullptr, [](double value) { return percent(value); }, 5},
};

std::optional<double> number_at(const Json& record, const char* pointer) {
  auto result = record.find("result");
  if (result == record.end()) return std::nullopt;
  Json::json_pointer place(pointer);
  if (!result->contains(place) || !result->at(place).is_number()) return std::nullopt;
  return result->at(place).get<double>();
}

// A column's number of a variant on one text ("" where none belongs to it); nothing where it was not measured.
std::optional<double> value_of(const RunFolder& run, const SummaryColumn& column, const std::string& variant,
                               const std::string& text) {
  const Metric* metric = column.metric != nullptr ? find_metric(column.metric) : nullptr;
  for (const Measured* measured : run.of(metric != nullptr ? metric->kind : "divergence", variant)) {
    bool is_of_text = measured->id.text.empty() || measured->id.text == text;
    if (measured->record == nullptr || !is_of_text) continue;
    const Json& record = measured->record->fields;
    return metric != nullptr ? metric_value(*metric, record) : number_at(record, column.pointer);
  }
  return std::nullopt;
}

// A variant on one text: its names and a number for each column.
struct SummaryRow {
  std::vector<std::string> head;
  std::vector<std::optional<double>> values;  // as kColumns
};

bool has_values(const SummaryRow& row) {
  return std::ranges::any_of(row.values, [](const auto& value) { return value.has_value(); });
}

// The control last. What has no number has no row: sentences say why.
std::vector<SummaryRow> rows_of(const RunFolder& run) {
  const Json& experiment = run.experiment();
  std::vector<std::string> texts;
  for (const Json& text : experiment["texts"]) texts.push_back(text_of(text, "id"));
  if (texts.empty()) texts.emplace_back();
  std::vector<SummaryRow> rows;
  for (bool is_control : {false, true}) {
    for (const Json& variant : experiment["variants"]) {
      if (variant.value("is_control", false) != is_control) continue;
      for (size_t i = 0; i < texts.size(); ++i) {
        SummaryRow row{{printable(text_of(variant, "name"))}, {}};
        if (experiment["models"].size() > 1) row.head.push_back(text_of(variant, "model"));
        if (texts.size() > 1) row.head.push_back(texts[i]);
        for (const SummaryColumn& column : kColumns)
          row.values.push_back(value_of(run, column, text_of(variant, "id"), texts[i]));
        if (has_values(row)) rows.push_back(std::move(row));
      }
    }
  }
  return rows;
}

std::string table_of(const RunFolder& run, const std::vector<SummaryRow>& rows,
                     const std::vector<size_t>& shown) {
  using enum Table::Align;
  const Json& experiment = run.experiment();
  std::vector<Table::Column> columns{{"variant", left}};
  if (experiment["models"].size() > 1) columns.push_back({"model", left});
  if (experiment["texts"].size() > 1) columns.push_back({"text", left});
  for (size_t i : shown) columns.push_back({kColumns[i].header, right});
  Table table(columns);
  for (const SummaryRow& row : rows) {
    std::vector<std::string> cells = row.head;
    for (size_t i : shown) cells.push_back(row.values[i] ? kColumns[i].text(*row.values[i]) : "-");
    table.add(std::move(cells));
  }
  return table.text(terminal_styles());
}

// As many columns as a terminal has room for, of those that have numbers.
void print_variants(const RunFolder& run) {
  std::vector<SummaryRow> rows = rows_of(run);
  if (rows.empty()) return;
  std::vector<size_t> shown;
  for (size_t i = 0; i < std::size(kColumns); ++i) {
    if (std::ranges::any_of(rows, [&](const SummaryRow& row) { return row.values[i].has_value(); }))
      shown.push_back(i);
  }
  auto width = [&] {
    std::string text = table_of(run, rows, shown);
    size_t line_end = text.find('\n', text.find('\n') + 1);
    size_t line_begin = text.find('\n') + 1;  // of the second line: the first may be bold
    return columns_of(std::string_view(text).substr(line_begin, line_end - line_begin));
  };
  while (shown.size() > 1 && width() > terminal_columns()) {
    shown.erase(std::ranges::min_element(shown, {}, [](size_t i) { return kColumns[i].importance; }));
  }
  fmt::print("{}\n", table_of(run, rows, shown));
}

// What a run tells of what the report finds: what is wrong, the answer's first sentence, criteria, and what was left out. The end of the
// run says itself that it is unfinished.
std::vector<report::Finding> told(const report::RunReport& report) {
  constexpr std::string_view kNotes[] = {"criteria_open", "left_out", "impossible"};
  constexpr std::string_view kAnswers[] = {"nothing_changed", "changed", "cost"};
  std::vector<report::Finding> result;
  std::string_view last;
  for (report::Finding& finding : find_all(report)) {
    std::string_view kind = finding.kind;
    bool is_first = kind != std::exchange(last, kind);
    bool is_told = finding.severity == report::Severity::problem ? kind != "unfinished"
                   : std::ranges::find(kAnswers, kind) != std::end(kAnswers)
                       ? is_first
                       : kind == "criteria_passed" || std::ranges::find(kNotes, kind) != std::end(kNotes);
    if (is_told) result.push_back(std::move(finding));
  }
  return result;
}

void print_end(const RunOutcome& outcome) {
  const RunResult& result = outcome.result;
  std::string counts =
      fmt::format("{} made, {} kept", counted(result.measured, "measurement"), format_count(result.kept));
  switch (result.end) {
    case RunEnd::done:
      fmt::print("Done: {}.\n", counts);
      break;
    case RunEnd::stopped:
      fmt::print("Stopped early: {}; {}.\n", printable(result.text), counts);
      break;
    case RunEnd::interrupted:
      fmt::print("Interrupted: {}. The same command goes on where it stopped.\n", counts);
      break;
  }
  if (result.failed > 0)
    fmt::print("{} failed; --retry makes what failed again.\n", counted(result.failed, "measurement"));
}

}  // namespace

Json summary_json(const std::string& folder, const RunOutcome& outcome,
                  const std::vector<std::string>& written) {
  const RunResult& result = outcome.result;
  return {{"schema_version", kSchemaVersion}, {"folder", folder},
          {"outcome", word_of(result.end)},   {"text", result.text.empty() ? Json() : Json(result.text)},
          {"measured", result.measured},      {"kept", result.kept},
          {"failed", result.failed},          {"reports", written},
          {"exit_code", outcome.exit_code}};
}

void print_summary(const RunFolder& run, const report::RunReport& report, const RunOutcome& outcome,
                   const std::vector<std::string>& written) {
  print_variants(run);
  std::vector<report::Finding> findings = told(report);
  print_findings(findings, true);
  if (!findings.empty()) fmt::print("\n");
  print_end(outcome);
  for (const std::string& path : written) fmt::print("Report: {}\n", printable(path));
  if (!written.empty()) {
    fmt::print("Everything is in {}.\n", printable(run.path()));
    return;
  }
  fmt::print("Everything is in {}; `fakequant report {}` makes the report.\n", printable(run.path()),
             shell_quoted(run.path()));
}

}  // namespace fakequant::cli
