#pragma once
// JSON of values that several commands print.

#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/difference.h"
#include "analysis/histogram.h"

namespace fakequant::cli {

using Json = nlohmann::ordered_json;

inline constexpr int kSchemaVersion = 1;

// The measures of a difference under their stable keys; what does not exist (an infinite signal-to-noise
// ratio) is null.
Json difference_json(const Difference& difference);

// [[lower, upper, count], ...] of the bins that are not empty.
Json histogram_json(const std::vector<HistogramBin>& bins);

// A number that is not finite, or not there, is null.
Json json_number(double value);
Json json_number(const std::optional<double>& value);

}  // namespace fakequant::cli
