#include "cli/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/json.h"
#include "cli/table.h"
#include "experiment/metric.h"
#include "record/run_folder.h"

namespace fakequant::cli {

namespace {

std::string text_of(const Json& fields, const char* key) {
  auto found = fields.find(key);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

// A column of the table of variants: a metric of one kind of measurement.
struct SummaryColumn {
  const char* header;
  const char* metric;
  std::string (*text)(double value);
};

constexpr SummaryColumn kColumns[] = {
    {"bits/weight", "bits_per_weight", [](double value) { return fmt::format("{:.4g}", value); }},
    {"mean rel", "mean_rel", [](double value) { return number(value); }},
    {"loads", "loads", [](double value) { return std::string(value > 0 ? "yes" : "no"); }},
    {"ln PPL ratio", "ln_ppl_ratio", [](double value) { return fmt::format("{:+.5f}", value); }},
    {"+/-", "ln_ppl_ratio_error", [](double value) { return fmt::format("{:.5f}", value); }},
    {"KLD", "kld", [](double value) { return number(value); }},
    {"same top", "same_top", [](double value) { return percent(value); }},
    {"texts same", "texts_same", [](double value) { return percent(value); }},
};

// A metric of a variant on one text ("" where none belongs to it); nothing where it was not measured.
std::optional<double> value_of(const RunFolder& run, const char* name, const std::string& variant,
                               const std::string& text) {
  const Metric* metric = find_metric(name);
  if (metric == nullptr) return std::nullopt;
  for (const Measured* measured : run.of(metric->kind, variant)) {
    bool is_of_text = measured->id.text.empty() || measured->id.text == text;
    if (measured->record != nullptr && is_of_text) return metric_value(*metric, measured->record->fields);
  }
  return std::nullopt;
}

struct SummaryRow {
  std::string variant;
  std::string text;
  std::vector<std::string> head;
};

std::vector<SummaryRow> rows_of(const Json& experiment, bool several_models) {
  std::vector<std::string> texts;
  for (const Json& text : experiment["texts"]) texts.push_back(text_of(text, "id"));
  if (texts.empty()) texts.emplace_back();
  std::vector<SummaryRow> rows;
  for (const Json& variant : experiment["variants"]) {
    for (size_t i = 0; i < texts.size(); ++i) {
      SummaryRow row{text_of(variant, "id"), texts[i], {printable(text_of(variant, "name"))}};
      if (several_models) row.head.push_back(text_of(variant, "model"));
      if (texts.size() > 1) row.head.push_back(texts[i]);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

void print_variants(const RunFolder& run) {
  const Json& experiment = run.experiment();
  bool several_models = experiment["models"].size() > 1;
  bool several_texts = experiment["texts"].size() > 1;
  std::vector<Table::Column> columns{{"variant", Table::Align::left}};
  if (several_models) columns.push_back({"model", Table::Align::left});
  if (several_texts) columns.push_back({"text", Table::Align::left});
  std::vector<SummaryRow> rows = rows_of(experiment, several_models);
  std::vector<const SummaryColumn*> shown;
  for (const SummaryColumn& column : kColumns) {
    auto has_value = [&](const SummaryRow& row) {
      return value_of(run, column.metric, row.variant, row.text).has_value();
    };
    if (!std::ranges::any_of(rows, has_value)) continue;
    shown.push_back(&column);
    columns.push_back({column.header, Table::Align::right});
  }
  Table table(columns);
  for (const SummaryRow& row : rows) {
    std::vector<std::string> cells = row.head;
    for (const SummaryColumn* column : shown) {
      std::optional<double> value = value_of(run, column->metric, row.variant, row.text);
      cells.push_back(value ? column->text(*value) : "-");
    }
    table.add(std::move(cells));
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

void print_criteria(const RunFolder& run) {
  using enum Table::Align;
  std::vector<const Record*> criteria = run.others("criterion");
  if (criteria.empty()) return;
  Table table({{"criterion", left}, {"stage", left}, {"outcome", left}});
  for (const Record* criterion : criteria) {
    table.add({printable(text_of(criterion->fields, "name")), printable(text_of(criterion->fields, "stage")),
               text_of(criterion->fields, "outcome")});
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

void print_failures(const RunFolder& run) {
  std::vector<std::string> failures;
  for (const Measured& measured : run.measurements()) {
    if (measured.failure().empty()) continue;
    std::string of = measured.id.variant.empty() ? measured.id.model : measured.id.variant;
    failures.push_back(fmt::format("{} of {}: {}", measured.id.kind, of, printable(measured.failure())));
  }
  if (failures.empty()) return;
  constexpr size_t kMost = 5;
  fmt::print("{} failed:\n", counted(failures.size(), "measurement"));
  for (size_t i = 0; i < std::min(kMost, failures.size()); ++i) fmt::print("  {}\n", failures[i]);
  if (failures.size() > kMost) fmt::print("  and {} more\n", failures.size() - kMost);
  fmt::print("--retry makes them again.\n\n");
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
}

}  // namespace

Json summary_json(const std::string& folder, const RunOutcome& outcome) {
  const RunResult& result = outcome.result;
  return {{"schema_version", kSchemaVersion},
          {"folder", folder},
          {"outcome", word_of(result.end)},
          {"text", result.text.empty() ? Json() : Json(result.text)},
          {"measured", result.measured},
          {"kept", result.kept},
          {"failed", result.failed},
          {"exit_code", outcome.exit_code}};
}

void print_summary(const std::string& folder, const RunOutcome& outcome) {
  RunFolder run(folder);
  print_variants(run);
  print_criteria(run);
  print_failures(run);
  print_end(outcome);
  fmt::print("Everything is in {}; `fakequant report {}` makes the report.\n", printable(folder),
             shell_quoted(folder));
}

}  // namespace fakequant::cli
