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
  // Reads it from the result of such a record; nothing where the result has none.
  std::optional<double> (*value)(const Json& result);
};

std::span<const Metric> metrics();
const Metric* find_metric(std::string_view name);

enum class Comparator { less, less_equal, greater, greater_equal, equal, not_equal };

// "ln_ppl_ratio < 0.05"
struct Condition {
  const Metric* metric;
  Comparator comparator;
  double limit;
  std::string text;  // as it was written

  bool holds(double value) const;
  // The one of two values that is further from holding; for == and !=, one that does not hold.
  double worse(double a, double b) const;
};

// Throws Error for another grammar than METRIC OPERATOR NUMBER, naming near metrics.
Condition parse_condition(std::string_view text);

}  // namespace fakequant
