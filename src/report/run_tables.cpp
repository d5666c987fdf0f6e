// Tables of the run itself: criteria, decisions, measurements.

#include <algorithm>

#include "base/text.h"
#include "report/criterion_value.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

struct CriterionRow {
  const RunReport& report;
  const ReportCriterion& criterion;

  std::optional<CriterionValue> worst() const { return worst_value(criterion); }
};

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass:
      return "pass";
    case Outcome::fail:
      return "FAIL";
    case Outcome::unmeasured:
      return "not measured";
    case Outcome::judged:
      return "for a person to judge";
  }
  return "";
}

constexpr ColumnOf<CriterionRow> kCriterionColumns[] = {
    {words("criterion", "criterion", "its name in the experiment"),
     [](const CriterionRow& row) { return text_cell(row.criterion.name, row.criterion.line); }},
    {words("outcome", "outcome", "pass, FAIL, not measured, or for a person to judge"),
     [](const CriterionRow& row) { return text_cell(word_of(row.criterion.outcome), row.criterion.line); }},
    {numbers("worst", "worst value", "", "the value that is furthest from holding"),
     [](const CriterionRow& row) {
       std::optional<CriterionValue> worst = row.worst();
       if (!worst) return number_cell(std::nullopt, row.criterion.line);
       Cell cell = number_cell(worst->value, worst->line);
       cell.text = value_text(row.criterion.check, worst->value);
       return cell;
     }},
    {words("variant", "of", "the variant that has it"),
     [](const CriterionRow& row) {
       std::optional<CriterionValue> worst = row.worst();
       if (!worst || !worst->variant) return text_cell("");
       std::string name = row.report.label(row.report.variants[*worst->variant]);
       if (worst->text && row.report.texts.size() > 1) name += " on " + row.report.texts[*worst->text].name;
       return text_cell(name, worst->line);
     }},
    {words("check", "check", "the condition that every variant of the stage must hold"),
     [](const CriterionRow& row) { return text_cell(row.criterion.check, row.criterion.line); }},
    {words("stage", "stage", "of the experiment"),
     [](const CriterionRow& row) { return text_cell(row.criterion.stage); }}};

struct DecisionRow {
  const RunReport& report;
  const ReportDecision& decision;
  const DecisionReason* reason;  // null for a decision without
};

const char* word_of(Action action) {
  switch (action) {
    case Action::run:
      return "ran";
    case Action::skip:
      return "left out";
    case Action::stop:
      return "stopped";
  }
  return "";
}

constexpr ColumnOf<DecisionRow> kDecisionColumns[] = {
    {words("stage", "stage", "that was decided about"),
     [](const DecisionRow& row) { return text_cell(row.decision.stage); }},
    {words("action", "it", "ran, left out, or stopped: the experiment ended there"),
     [](const DecisionRow& row) { return text_cell(word_of(row.decision.action), row.decision.line); }},
    {words("check", "condition", "what had to hold"),
     [](const DecisionRow& row) {
       return text_cell(row.reason ? row.reason->check : "", row.decision.line);
     }},
    {words("holds", "holds", "whether it did"),
     [](const DecisionRow& row) {
       return text_cell(row.reason == nullptr ? "" : row.reason->holds ? "yes" : "no", row.decision.line);
     }},
    {numbers("worst", "worst value", "", "of the variants before"),
     [](const DecisionRow& row) {
       if (row.reason == nullptr) return number_cell(std::nullopt, row.decision.line);
       Cell cell = number_cell(row.reason->worst, row.reason->line);
       cell.text = value_text(row.reason->check, row.reason->worst);
       return cell;
     }},
    {words("variant", "of", "the variant that has it"), [](const DecisionRow& row) {
       if (row.reason == nullptr || !row.reason->variant) return text_cell("");
       return text_cell(row.report.label(row.report.variants[*row.reason->variant]), row.reason->line);
     }}};

struct MeasurementRow {
  const RunReport& report;
  const ReportMeasurement& measurement;
};

const char* word_of(MeasurementState state) {
  switch (state) {
    case MeasurementState::done:
      return "done";
    case MeasurementState::failed:
      return "failed";
    case MeasurementState::left_out:
      return "left out";
    case MeasurementState::missing:
      return "missing";
  }
  return "";
}

constexpr ColumnOf<MeasurementRow> kMeasurementColumns[] = {
    {numbers("journal_line", "line", "", "of the journal"),
     [](const MeasurementRow& row) {
       size_t line = row.measurement.line;
       return count_cell(line == 0 ? std::nullopt : std::optional<uint64_t>(line), line);
     }},
    {words("kind", "kind", "what was measured"),
     [](const MeasurementRow& row) { return text_cell(row.measurement.kind); }},
    {words("of", "of", "variant, or model"),
     [](const MeasurementRow& row) {
       const ReportMeasurement& m = row.measurement;
       if (m.variant) return text_cell(row.report.label(row.report.variants[*m.variant]));
       return text_cell(m.model ? row.report.models[*m.model].name : "");
     }},
    {words("text", "text", "on which"),
     [](const MeasurementRow& row) {
       return text_cell(row.measurement.text ? row.report.texts[*row.measurement.text].name : "");
     }},
    {words("state", "state", "done, failed, left out by a decision, or missing"),
     [](const MeasurementRow& row) {
       return text_cell(word_of(row.measurement.state), row.measurement.line);
     }},
    {numbers("seconds", "took", "s", "time of the measurement"),
     [](const MeasurementRow& row) {
       Cell cell = number_cell(row.measurement.seconds, row.measurement.line);
       if (row.measurement.seconds) cell.text = duration_figure(*row.measurement.seconds);
       return cell;
     }},
    {words("finished", "finished", "UTC"),
     [](const MeasurementRow& row) { return text_cell(row.measurement.finished, row.measurement.line); }},
    {words("failure", "failure", "why it could not be made"),
     [](const MeasurementRow& row) { return text_cell(row.measurement.failure, row.measurement.line); }},
    {words("key", "key", "hash of everything that determines it"),
     [](const MeasurementRow& row) { return text_cell(row.measurement.key, row.measurement.line); }}};

}  // namespace

ReportTable criteria_table(const RunReport& report) {
  std::vector<CriterionRow> rows;
  for (const ReportCriterion& criterion : report.criteria) rows.push_back({report, criterion});
  return make_table("criteria", "Criteria", kCriterionColumns, rows);
}

ReportTable decisions_table(const RunReport& report) {
  std::vector<DecisionRow> rows;
  for (const ReportDecision& decision : report.decisions) {
    for (const DecisionReason& reason : decision.reasons) rows.push_back({report, decision, &reason});
    if (decision.reasons.empty()) rows.push_back({report, decision, nullptr});
  }
  return make_table("decisions", "Decisions", kDecisionColumns, rows);
}

ReportTable measurements_table(const RunReport& report) {
  std::vector<MeasurementRow> rows;
  for (const ReportMeasurement& measurement : report.measurements) rows.push_back({report, measurement});
  return make_table("measurements", "Measurements", kMeasurementColumns, rows);
}

}  // namespace fakequant::report
