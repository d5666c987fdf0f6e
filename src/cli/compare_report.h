#pragma once
// What compare tells of two models, as text and as JSON.

#include <vector>

#include "cli/json.h"
#include "tensors/compare.h"

namespace fakequant::cli {

// The compared tensors in the order in which they are shown.
using ComparisonRows = std::vector<const TensorComparison*>;

// Prints at most `most` tensors that differ (or, with `equal_too`, of all), histograms, what is the same, and metadata.
void print_comparison(const Comparison& comparison, const ComparisonRows& rows, size_t most, bool equal_too);

// Everything measured; what was asked (files, epsilon, limits) is for the caller to add.
Json comparison_json(const Comparison& comparison, const ComparisonRows& rows);

}  // namespace fakequant::cli
