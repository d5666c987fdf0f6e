#include "cli/quantize_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/measures.h"
#include "cli/table.h"
#include "tensors/inspect.h"

namespace fakequant::cli {

namespace {

// Tensors that would be stored in a type that llama.cpp's kernels do not take for one dimension.
std::vector<std::string> one_dimensional_halves(const QuantizeJob& job) {
  std::vector<std::string> names;
  for (const PlannedTensor& planned : job.plan.tensors) {
    const TensorInfo& info = job.info(planned);
    TensorType type = job.layout.types[planned.tensor_index];
    if (info.shape.size() <= 1 && type != TensorType::F32 && type != info.type)
      names.push_back(printable(info.name));
  }
  return names;
}

}  // namespace

void warn_before(const CommonOptions& common, const QuantizeJob& job) {
  for (const std::string& rule : job.plan.unused_rules) {
    warn(common,
         fmt::format("{} decides nothing: every tensor it matches is taken by an earlier rule", rule));
  }
  for (const SkippedTensor& skipped : job.plan.skipped) {
    warn(common, fmt::format("left as it is: '{}' does not take {}: {}",
                             printable(job.model.tensors()[skipped.tensor_index].info->name), skipped.format,
                             skipped.reason));
  }
  std::vector<std::string> unweighted;
  for (size_t index : job.rounders->without_importance()) {
    unweighted.push_back(printable(job.info(job.plan.tensors[index]).name));
  }
  if (!unweighted.empty()) {
    warn(common, fmt::format("{} has no entry for {}: rounded without importance",
                             printable(job.importance_path), some_of(unweighted)));
  }
  std::vector<std::string> halves = one_dimensional_halves(job);
  if (!halves.empty()) {
    warn(common,
         fmt::format("{} of one dimension will be stored in 16 bits ({}): llama.cpp's kernels want such "
                     "tensors in F32",
                     counted(halves.size(), "tensor"), some_of(halves)));
  }
}

namespace {

std::string type_change(TensorType before, TensorType after) {
  return before == after ? std::string(name_of(before))
                         : fmt::format("{} -> {}", name_of(before), name_of(after));
}

}  // namespace

void print_plan(const QuantizeJob& job) {
  using enum Table::Align;
  Table table({{"tensor", left},
               {"stored as", left},
               {"values", right},
               {"format", left},
               {"bits per weight", right},
               {"rule", left}});
  for (const PlannedTensor& planned : job.plan.tensors) {
    const TensorInfo& info = job.info(planned);
    table.add({printable(info.name), type_change(info.type, job.layout.types[planned.tensor_index]),
               format_count(static_cast<uint64_t>(info.value_count)), planned.format.name,
               fmt::format("{:.5g}", stored_bits(planned.format, info.row_length, info.value_count).value()),
               planned.rule});
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

void print_sizes(const QuantizeJob& job, bool planned_only) {
  size_t count = job.plan.tensors.size();
  if (count == 0) {
    fmt::print("Nothing is rounded: {} that were chosen do not fit their format.\n",
               counted(job.plan.skipped.size(), "tensor"));
  } else {
    fmt::print("In the formats themselves {} would take {:.4f} bits per weight, the whole model {:.4f}.\n",
               count == 1 ? "this tensor" : fmt::format("these {} tensors", format_count(count)),
               job.plan.chosen_bits.value(), job.plan.model_bits.value());
  }
  fmt::print("{}: {} -> {}{}\n", printable(join(job.layout.outputs, ", ")),
             format_bytes(job.layout.bytes_before), format_bytes(job.layout.bytes_after),
             planned_only ? " (dry run: nothing written)" : "");
}

namespace {

// Why a tensor's values are what they were, in words.
std::string why_unchanged(const QuantizeJob& job, const TensorResult& result) {
  const PlannedTensor& planned = job.plan.tensors[result.plan_index];
  std::string stored(name_of(result.type_before));
  if (result.difference.count == 0) return "it has no values";
  if (planned.format.leaves_values()) return "f32 leaves every value as it is";
  if (result.store_changed_count > 0) {
    return fmt::format(
        "rounding to {} changed values, but {} storage rounds them back; --store auto keeps them",
        planned.format.name, name_of(result.type_after));
  }
  size_t index = planned.tensor_index;
  std::vector<TensorReport> reports =
      inspect(job.model, {&index, 1}, {.grids = false, .progress = Progress::Mode::silent});
  const TensorReport& report = reports[0];
  const ValueStatistics& statistics = report.facts->statistics;
  if (statistics.finite_count() == 0) return "it holds NaN or Inf alone";
  bool narrower = report.facts->precision != EffectivePrecision::f32 &&
                  report.facts->precision != EffectivePrecision::constant;
  if (result.type_before == TensorType::F32 && narrower) {
    return fmt::format("{} in name and {} in fact (low 16 bits zero in {}), and {} holds every value exactly",
                       stored, report.effective_precision, percent(statistics.low16_zero_fraction()),
                       planned.format.name);
  }
  return fmt::format("every value is exact in {} already (effective precision {})", planned.format.name,
                     report.effective_precision);
}

}  // namespace

void print_unchanged(const QuantizeJob& job, const RewriteResult& result) {
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const TensorResult& tensor : result.tensors) {
    if (tensor.difference.changed_count > 0) continue;
    std::string reason = why_unchanged(job, tensor);
    auto same =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == reason; });
    if (same == reasons.end()) same = reasons.insert(reasons.end(), {reason, {}});
    same->second.push_back(printable(job.info(job.plan.tensors[tensor.plan_index]).name));
  }
  for (const auto& [reason, names] : reasons) {
    fmt::print("Unchanged: {}: {}.\n", some_of(names), reason);
  }
  bool all_equal = !result.tensors.empty() && job.layout.bytes_before == job.layout.bytes_after;
  for (const TensorResult& tensor : result.tensors) all_equal = all_equal && !tensor.bytes_changed;
  for (const FileLayout& layout : job.layout.layouts) all_equal = all_equal && layout.header_unchanged;
  if (all_equal) fmt::print("Nothing changed: the output is equal to the input byte for byte.\n");
}

namespace {

// The cells of one line: names, then measures.
std::vector<std::string> result_row(std::vector<std::string> row, const Difference& difference,
                                    double store_max_abs) {
  row.push_back(format_count(difference.changed_count));
  for (std::string& cell : measure_cells(difference)) row.push_back(std::move(cell));
  row.push_back(format_count(difference.new_nonfinite));
  row.push_back(number(store_max_abs));
  return row;
}

}  // namespace

void print_results(const QuantizeJob& job, const RewriteResult& result) {
  using enum Table::Align;
  std::vector<Table::Column> columns{
      {"tensor", left}, {"stored as", left}, {"format", left}, {"changed", right}};
  for (Table::Column& column : measure_columns()) columns.push_back(std::move(column));
  columns.push_back({"new NaN/Inf", right});
  columns.push_back({"store error", right});
  Table table(columns);
  double store_max_abs = 0;
  for (const TensorResult& tensor : result.tensors) {
    const PlannedTensor& planned = job.plan.tensors[tensor.plan_index];
    table.add(result_row({printable(job.info(planned).name),
                          type_change(tensor.type_before, tensor.type_after), planned.format.name},
                         tensor.difference, tensor.store_max_abs));
    store_max_abs = std::max(store_max_abs, tensor.store_max_abs);
  }
  table.add_rule();
  table.add(result_row({"total", "", ""}, result.total, store_max_abs));
  fmt::print("{}\n", table.text(terminal_styles()));
}

void warn_after(const CommonOptions& common, const QuantizeJob& job, const RewriteResult& result) {
  uint64_t inexact = 0;
  size_t tensors = 0;
  double largest = 0;
  for (const TensorResult& tensor : result.tensors) {
    inexact += tensor.store_changed_count;
    tensors += tensor.store_changed_count > 0 ? 1 : 0;
    largest = std::max(largest, tensor.store_max_abs);
    if (tensor.saturated_infinities > 0) {
      warn(common, fmt::format("'{}': {} infinite values became finite",
                               printable(job.info(job.plan.tensors[tensor.plan_index]).name),
                               format_count(tensor.saturated_infinities)));
    }
    if (tensor.difference.new_nonfinite > 0) {
      warn(common, fmt::format("'{}': {} finite values became NaN or Inf",
                               printable(job.info(job.plan.tensors[tensor.plan_index]).name),
                               format_count(tensor.difference.new_nonfinite)));
    }
  }
  if (inexact > 0) {
    warn(common, fmt::format("storing changed {} of {} by up to {}, included in the differences above; "
                             "--store auto stores those tensors in a type that is exact",
                             counted(inexact, "rounded value"), counted(tensors, "tensor"), number(largest)));
  }
}

namespace {

Json json_of_plan(const QuantizeJob& job) {
  return {{"chosen_bits_per_weight", job.plan.chosen_bits.value()},
          {"model_bits_per_weight", job.plan.model_bits.value()},
          {"bytes_before", job.layout.bytes_before},
          {"bytes_after", job.layout.bytes_after}};
}

Json json_of(const QuantizeJob& job, const PlannedTensor& planned) {
  const TensorInfo& info = job.info(planned);
  return {{"name", info.name},
          {"format", planned.format.name},
          {"rule", planned.rule},
          {"type_before", name_of(info.type)},
          {"type_after", name_of(job.layout.types[planned.tensor_index])},
          {"bits_per_weight", stored_bits(planned.format, info.row_length, info.value_count).value()}};
}

Json json_header(const QuantizeJob& job, bool dry_run) {
  Json result{{"schema_version", kSchemaVersion}, {"file", job.model.path()},
              {"outputs", job.layout.outputs},    {"dry_run", dry_run},
              {"plan", json_of_plan(job)},        {"skipped", Json::array()}};
  for (const SkippedTensor& skipped : job.plan.skipped) {
    result["skipped"].push_back({{"name", job.model.tensors()[skipped.tensor_index].info->name},
                                 {"format", skipped.format},
                                 {"rule", skipped.rule},
                                 {"reason", skipped.reason}});
  }
  return result;
}

}  // namespace

Json plan_json(const QuantizeJob& job) {
  Json json = json_header(job, true);
  json["tensors"] = Json::array();
  for (const PlannedTensor& planned : job.plan.tensors) json["tensors"].push_back(json_of(job, planned));
  return json;
}

Json result_json(const QuantizeJob& job, const RewriteResult& result) {
  Json json = json_header(job, false);
  json["tensors"] = Json::array();
  double store_max_abs = 0;
  for (const TensorResult& tensor : result.tensors) {
    Json entry = json_of(job, job.plan.tensors[tensor.plan_index]);
    entry.update(difference_json(tensor.difference));
    entry["store_max_abs"] = tensor.store_max_abs;
    entry["store_changed_count"] = tensor.store_changed_count;
    entry["saturated_infinities"] = tensor.saturated_infinities;
    store_max_abs = std::max(store_max_abs, tensor.store_max_abs);
    json["tensors"].push_back(std::move(entry));
  }
  json["total"] = difference_json(result.total);
  json["total"]["store_max_abs"] = store_max_abs;
  return json;
}

}  // namespace fakequant::cli
