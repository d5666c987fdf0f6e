#pragma once
// What each kind of chart makes of a report; the table of kinds is in charts.cpp.

#include <optional>
#include <string>
#include <vector>

#include "report/charts.h"

namespace fakequant::report {

// The part of a Chart that depends on what was measured.
struct Drawing {
  Json spec;
  std::vector<ChartColumn> columns;
  std::string alt;
  std::string note = {};  // what was left out, a sentence; "" for nothing
};

// Each gives nothing where there is nothing to show.
std::optional<Drawing> draw_weights(const RunReport& report);
std::optional<Drawing> draw_differences(const RunReport& report);
std::optional<Drawing> draw_error_map(const RunReport& report);
std::optional<Drawing> draw_precision_map(const RunReport& report);
std::optional<Drawing> draw_perplexity(const RunReport& report);
std::optional<Drawing> draw_divergence(const RunReport& report);
std::optional<Drawing> draw_frontier(const RunReport& report);
std::optional<Drawing> draw_confidence(const RunReport& report);
std::optional<Drawing> draw_tails(const RunReport& report);

}  // namespace fakequant::report
