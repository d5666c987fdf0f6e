#pragma once
// Which of a criterion's values decided. Knows conditions as text: "mean_rel < 0.01".

#include <optional>
#include <string>

#include "report/run_report.h"

namespace fakequant::report {

// The value that is furthest from holding: the largest for < and <=, the smallest for > and >=; for = and !=, the first that does not hold,
// else the first. Nothing where no value was measured, and for a check that is no condition.
std::optional<CriterionValue> worst_value(const ReportCriterion& criterion);

// Whether a value passes the check; false for a check that is no condition.
bool passes(const std::string& check, double value);

// A value as the check writes numbers: of "mean_rel < 1 %" a percentage; "not measured" for nothing.
std::string value_text(const std::string& check, std::optional<double> value);

}  // namespace fakequant::report
