#pragma once
// Everything of a report as one JSON value, for programs: the numerical analysis of an experiment. Knows no page.

#include "base/json.h"
#include "report/run_comparison.h"
#include "report/run_report.h"

namespace fakequant::report {

inline constexpr int kReportSchemaVersion = 1;

// {schema_version, kind: "fakequant report", title, ..., finished, findings: [{kind, severity, text, journal_lines}], methods, tables: {KEY: {title, columns: [{key,
// title, unit, help}], rows: [{KEY: value, KEY_error, journal_lines}]}}, experiment_file}. Numbers in full; what is not there is null.
Json report_json(const RunReport& report);

// {schema_version, kind: "fakequant comparison", a, b, findings, tables}, in the same form.
Json comparison_json(const RunComparison& comparison);

}  // namespace fakequant::report
