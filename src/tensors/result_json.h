#pragma once
// Plans and differences as JSON, under stable keys: as commands print them and journals keep them. Knows no files.

#include <optional>
#include <span>
#include <vector>

#include "analysis/histogram.h"
#include "base/json.h"
#include "tensors/rewrite.h"

namespace fakequant {

// The measures of a difference; what does not exist (an infinite signal-to-noise ratio) is null.
Json difference_json(const Difference& difference);

// [[lower, upper, count], ...] of the bins that are not empty.
Json histogram_json(const std::vector<HistogramBin>& bins);

// An exact ratio as {"bits": ..., "weights": ...}.
Json bits_json(const BitsPerWeight& bits);

// A seed that nothing drew from is null.
Json seed_json(const std::optional<uint64_t>& seed);

// What the tensors of the outputs take, headers and padding not counted.
BitsPerWeight output_bits(const RewritePlan& layout);

// Bits per weight and bytes of the whole plan.
Json plan_totals_json(const Plan& plan, const RewritePlan& layout);

// A tensor of the plan that will be stored as `type_after`, before anything is rounded.
Json planned_tensor_json(const TensorInfo& info, const PlannedTensor& planned, TensorType type_after);
// What became of it: the same, and the differences.
Json tensor_result_json(const TensorInfo& info, const PlannedTensor& planned, const TensorResult& result);
// A tensor that was chosen and left as it is.
Json skipped_tensor_json(const TensorInfo& info, const SkippedTensor& skipped);

// Over all tensors of a plan: difference_json of `total` and the largest error that storing added.
Json total_json(const Difference& total, std::span<const TensorResult> tensors);

}  // namespace fakequant
