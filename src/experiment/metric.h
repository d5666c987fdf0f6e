#pragma once
// Metrics: the named numbers that conditions and criteria compare, and where records hold them. Knows records, not how they are
// measured.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fakequant {

// One row of the table: parser, help, schema, docs and runner iterate it.
struct Metric {
  const char* name;     // "ln_ppl_ratio"
  const char* kind;     // of the records that hold it: "divergence"
  const char* summary;  // "ln of perplexity over the baseline's"
  const char* place;  // in the result of such a record: "divergence.ln_ppl_ratio"; null where it is computed
  std::optional<double> (*compute)(const Json& result) = nullptr;  // nothing where the result has none
};

std::span<const Metric> metrics();
const Metric* find_metric(std::string_view name);

// The metric of a record of its kind. Of one that could not be made (it has `failure` in place of `result`) there is none, but for
// `loads`, which is 0 then.
std::optional<double> metric_value(const Metric& metric, const Json& record);

enum class Comparator { less, less_equal, greater, greater_equal, equal, not_equal };

// "ln_ppl_ratio < 0.05"
struct Condition {
  const Metric* metric;
  Comparator comparator;
  double limit;
  std::string text;  // as it was written

  bool holds(double value) const;  // of a NaN never
  // The one of two values that is further from holding; for == and !=, one that does not hold. A NaN is further than any number.
  double worse(double a, double b) const;
};

// Reads METRIC OPERATOR NUMBER, with one of < <= > >= == !=; the number may be a percentage: "mean_rel < 1 %" is 0.01. Throws Error
// for another grammar, naming near metrics.
Condition parse_condition(std::string_view text);

}  // namespace fakequant
