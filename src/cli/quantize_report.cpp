#include "cli/quantize_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/measures.h"
#include "cli/recipe_options.h"
#include "cli/table.h"
#include "tensors/inspect.h"
#include "tensors/result_json.h"

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
  warn_of_plan(common, job.model, job.plan, job.rounders->without_importance(), job.importance_path);
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
               fmt::format("{:.5g}", planned.bits.value()), planned.rule});
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

void print_left(const QuantizeJob& job) {
  if (job.plan.skipped.empty()) return;
  using enum Table::Align;
  Table table({{"left as it is", left},
               {"stored as", left},
               {"values", right},
               {"asked for", left},
               {"requested", right},
               {"achieved", right},
               {"rule", left}});
  for (const SkippedTensor& skipped : job.plan.skipped) {
    const TensorInfo& info = *job.model.tensors()[skipped.tensor_index].info;
    table.add({printable(info.name), std::string(name_of(info.type)),
               format_count(static_cast<uint64_t>(info.value_count)), skipped.format,
               fmt::format("{:.5g}", skipped.requested_bits.value()),
               fmt::format("{:.5g}", skipped.achieved_bits.value()), skipped.rule});
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

namespace {

// "18 F16 and 2 F32": what the skipped tensors are stored as, in order of first appearance.
std::string types_left(const QuantizeJob& job) {
  std::vector<std::pair<TensorType, size_t>> counts;
  for (const SkippedTensor& skipped : job.plan.skipped) {
    TensorType type = job.model.tensors()[skipped.tensor_index].info->type;
    auto known = std::find_if(counts.begin(), counts.end(), [&](auto& entry) { return entry.first == type; });
    if (known == counts.end()) known = counts.insert(counts.end(), {type, 0});
    ++known->second;
  }
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (auto [type, count] : counts) parts.push_back(fmt::format("{} {}", count, name_of(type)));
  return join(parts, ", ");
}

void print_bits(const QuantizeJob& job) {
  const Plan& plan = job.plan;
  size_t left = plan.skipped.size();
  size_t count = plan.tensors.size() + left;
  std::string where =
      count == 1 ? "the chosen tensor" : fmt::format("the {} chosen tensors", format_count(count));
  double requested = plan.requested_bits.value();
  double achieved = plan.achieved_bits.value();
  if (left == 0) {
    fmt::print("Requested {:.4f}, achieved {:.4f} bits per weight in {}; the whole model {:.4f}.\n",
               requested, achieved, where, plan.model_bits.value());
    return;
  }
  fmt::print("Requested {:.4f}, achieved {:.4f} bits per weight in {}: {} not fit and {} ({}).\n", requested,
             achieved, where, left == 1 ? "1 does" : fmt::format("{} do", format_count(left)),
             left == 1 ? "stays as it is" : "stay as they are", types_left(job));
  fmt::print("The whole model: requested {:.4f}, achieved {:.4f} bits per weight.\n",
             plan.model_requested_bits.value(), plan.model_bits.value());
}

// Tensors that --store auto or narrow had to widen.
void print_widened(const QuantizeJob& job) {
  std::vector<std::string> names;
  for (const PlannedTensor& planned : job.plan.tensors) {
    const TensorInfo& info = job.info(planned);
    bool chosen = planned.store == Store::automatic || planned.store == Store::narrow;
    TensorType after = job.layout.types[planned.tensor_index];
    if (chosen && bits_per_weight(after) > bits_per_weight(info.type)) names.push_back(printable(info.name));
  }
  if (names.empty()) return;
  fmt::print(
      "{} stored in a wider type than before, since no smaller one holds the rounded values exactly: {}.\n",
      names.size() == 1 ? "1 tensor is" : counted(names.size(), "tensor") + " are", some_of(names));
}

}  // namespace

void print_sizes(const QuantizeJob& job, bool planned_only) {
  if (job.plan.tensors.empty() && !job.plan.skipped.empty()) {
    fmt::print("Nothing is rounded: {} that were chosen do not fit their format.\n",
               counted(job.plan.skipped.size(), "tensor"));
  }
  if (!job.plan.tensors.empty() || !job.plan.skipped.empty()) print_bits(job);
  print_widened(job);
  if (job.seed) fmt::print("Stochastic rounding: seed {}.\n", *job.seed);
  fmt::print("{}: {} -> {}, {:.4f} bits per weight stored{}\n", printable(join(job.layout.outputs, ", ")),
             format_bytes(job.layout.bytes_before), format_bytes(job.layout.bytes_after),
             output_bits(job.layout).value(), planned_only ? " (dry run: nothing written)" : "");
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
    const Difference& d = tensor.difference;
    bool zeros_alone = d.only_signs_of_zeros();
    if (d.changed_count > 0 && !zeros_alone) continue;
    std::string reason =
        zeros_alone ? fmt::format("but for -0, which became 0, since {} has none", name_of(tensor.type_after))
                    : why_unchanged(job, tensor);
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

Json json_header(const QuantizeJob& job, bool dry_run) {
  Json result{{"schema_version", kSchemaVersion}, {"file", job.model.path()},
              {"outputs", job.layout.outputs},    {"dry_run", dry_run},
              {"seed", seed_json(job.seed)},      {"plan", plan_totals_json(job.plan, job.layout)},
              {"skipped", Json::array()}};
  for (const SkippedTensor& skipped : job.plan.skipped) {
    const TensorInfo& info = *job.model.tensors()[skipped.tensor_index].info;
    result["skipped"].push_back(skipped_tensor_json(info, skipped));
  }
  return result;
}

}  // namespace

Json plan_json(const QuantizeJob& job) {
  Json json = json_header(job, true);
  json["tensors"] = Json::array();
  for (const PlannedTensor& planned : job.plan.tensors) {
    TensorType type_after = job.layout.types[planned.tensor_index];
    json["tensors"].push_back(planned_tensor_json(job.info(planned), planned, type_after));
  }
  return json;
}

Json result_json(const QuantizeJob& job, const RewriteResult& result) {
  Json json = json_header(job, false);
  json["tensors"] = Json::array();
  for (const TensorResult& tensor : result.tensors) {
    const PlannedTensor& planned = job.plan.tensors[tensor.plan_index];
    json["tensors"].push_back(tensor_result_json(job.info(planned), planned, tensor));
  }
  json["total"] = total_json(result.total, result.tensors);
  return json;
}

}  // namespace fakequant::cli
