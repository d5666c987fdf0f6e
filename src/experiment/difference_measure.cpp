#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "experiment/file_measures.h"
#include "experiment/tensor_place.h"
#include "tensors/result_json.h"
#include "tensors/rounding_survey.h"

namespace fakequant {

namespace {

constexpr size_t kMostBins = 64;

Json tensor_json(const TensorInfo& info, const PlannedTensor& planned, const SurveyedTensor& surveyed) {
  Json tensor = tensor_result_json(info, planned, surveyed.result);
  add_place(tensor);
  tensor["histogram_before"] = histogram_json(surveyed.histograms.a.coarse_bins(kMostBins));
  tensor["histogram_after"] = histogram_json(surveyed.histograms.b.coarse_bins(kMostBins));
  tensor["histogram_abs_difference"] = histogram_json(surveyed.histograms.differences.coarse_bins(kMostBins));
  tensor["effective_precision_before"] = surveyed.precision_before;
  tensor["effective_precision_after"] = surveyed.precision_after;
  return tensor;
}

// Whether the layout keeps every metadata pair of every part.
bool keeps_metadata(const Model& model, const RewritePlan& layout) {
  for (size_t i = 0; i < layout.layouts.size(); ++i) {
    const FileLayout& file = layout.layouts[i];
    if (file.header_unchanged) continue;
    const GgufFile& shard = model.shards()[i];
    uint64_t kept = 0;
    for (std::span<const std::byte> run : file.kept_metadata) kept += run.size();
    if (kept != shard.tensor_table_offset() - shard.metadata_offset()) return false;
  }
  return true;
}

// What the file that `quantize` would write has of the input.
Json file_json(const Model& model, const RewritePlan& layout, const std::vector<TensorResult>& tensors) {
  size_t types_changed = 0;
  for (size_t i = 0; i < layout.types.size(); ++i)
    types_changed += layout.types[i] != model.tensors()[i].info->type ? 1 : 0;
  auto is_changed = [](const TensorResult& tensor) {
    return tensor.bytes_changed || tensor.type_before != tensor.type_after;
  };
  auto changed = static_cast<size_t>(std::ranges::count_if(tensors, is_changed));
  return {{"bytes_before", layout.bytes_before},
          {"bytes_after", layout.bytes_after},
          {"types_changed", types_changed},
          {"tensors_changed", changed},
          {"tensors_identical", layout.types.size() - changed},
          {"metadata_identical", keeps_metadata(model, layout)}};
}

void warn_of(const MeasureContext& context, const std::string& name, const TensorResult& result) {
  if (result.saturated_infinities > 0)
    context.warn(fmt::format("'{}': {} infinite values became finite", printable(name),
                             format_count(result.saturated_infinities)));
  if (result.difference.new_nonfinite > 0)
    context.warn(fmt::format("'{}': {} finite values became NaN or Inf", printable(name),
                             format_count(result.difference.new_nonfinite)));
}

void warn_of(const MeasureContext& context, const std::vector<TensorResult>& tensors) {
  uint64_t inexact = 0;
  size_t count = 0;
  double largest = 0;
  for (const TensorResult& tensor : tensors) {
    inexact += tensor.store_changed_count;
    count += tensor.store_changed_count > 0 ? 1 : 0;
    largest = std::max(largest, tensor.store_max_abs);
  }
  if (inexact == 0) return;
  context.warn(fmt::format(
      "storing changed {} of {} by up to {:.5g}, included in the differences; store = \"auto\" stores "
      "those tensors in a type that is exact",
      counted(inexact, "rounded value"), counted(count, "tensor"), largest));
}

// Tensors that were chosen and do not fit their format.
Json skipped_json(const Model& model, const Plan& plan) {
  Json tensors = Json::array();
  for (const SkippedTensor& skipped : plan.skipped) {
    tensors.push_back(skipped_tensor_json(*model.tensors()[skipped.tensor_index].info, skipped));
  }
  return tensors;
}

uint64_t input_bytes(const Model& model, const Plan& plan) {
  uint64_t bytes = 0;
  for (const PlannedTensor& planned : plan.tensors)
    bytes += model.tensors()[planned.tensor_index].info->data_bytes;
  return std::max<uint64_t>(1, bytes);
}

}  // namespace

Json measure_difference(MeasureContext& context) {
  const ExperimentVariant& variant = context.variant();
  const Model& model = context.plan.models[variant.model].model;
  const Plan& plan = *variant.plan;
  const ConfigSettings& settings = context.plan.config.settings;
  PlannedRounders rounders(model, plan, context.plan.importance, settings.seed);
  RewriteOptions options{.epsilon = settings.epsilon, .progress = Progress::Mode::silent};
  // A name that no file gets: nothing is written.
  RewritePlan layout = plan_rewrite(model, plan, rounders, "rounded.gguf", options);

  Json tensors = Json::array();
  std::vector<TensorResult> results;
  Difference total;
  auto visit = [&](const SurveyedTensor& surveyed) {
    const PlannedTensor& planned = plan.tensors[surveyed.result.plan_index];
    const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
    tensors.push_back(tensor_json(info, planned, surveyed));
    total.merge(surveyed.result.difference);
    warn_of(context, info.name, surveyed.result);
    results.push_back(surveyed.result);
  };
  uint64_t done = 0;
  auto all = static_cast<double>(input_bytes(model, plan));
  auto advance = [&](uint64_t bytes) {
    done += bytes;
    context.progress({static_cast<double>(done) / all, "", false});
  };
  survey_rounding(model, plan, rounders, layout, settings.epsilon, visit, advance);
  warn_of(context, results);
  return {{"plan", plan_totals_json(plan, layout)},
          {"skipped", skipped_json(model, plan)},
          {"tensors", std::move(tensors)},
          {"total", total_json(total, results)},
          {"file", file_json(model, layout, results)}};
}

}  // namespace fakequant
