// fakequant quantize: a copy of the model whose chosen tensors hold rounded values.

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/measures.h"
#include "cli/selection.h"
#include "cli/table.h"
#include "formats/catalog.h"
#include "tensors/inspect.h"
#include "tensors/rewrite.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string model;
  std::string output;
  SelectionOptions selection;
  std::string format;
  std::string recipe;
  std::string store = "keep";
  std::string importance;
  bool skip_unfit = false;
  bool dry_run = false;
  bool no_sync = false;
  RewriteOptions rewrite;
};

// Everything that stays alive while a plan is carried out.
struct Job {
  Model model;
  ImportanceMatrix importance;
  Plan plan;
  std::unique_ptr<PlannedRounders> rounders;
  RewritePlan layout;

  const TensorInfo& info(const PlannedTensor& planned) const {
    return *model.tensors()[planned.tensor_index].info;
  }
};

std::vector<Rule> rules_of(const Options& options, const Model& model) {
  if (!options.recipe.empty()) {
    if (options.selection.given() || !options.format.empty()) {
      throw UsageError(
          "--recipe already says which tensors get which format: leave out --tensors, --layers and --format");
    }
    return load_recipe(options.recipe).rules;
  }
  if (!options.selection.given()) {
    throw UsageError(
        "which tensors, to which format? Give --tensors or --layers and --format, or --recipe. This model "
        "has {}",
        join(roles_present(model.tensors()), ", "));
  }
  if (options.format.empty())
    throw UsageError("which format? Give --format, for example bf16:rtz; `fakequant formats` lists them");
  return {{std::string(kCommandLineRule), tensor_selection(options.selection),
           layer_selection(options.selection), parse_format(options.format), std::nullopt}};
}

// Tensors that would be stored in a type that llama.cpp's kernels do not take for one dimension.
std::vector<std::string> one_dimensional_halves(const Job& job) {
  std::vector<std::string> names;
  for (const PlannedTensor& planned : job.plan.tensors) {
    const TensorInfo& info = job.info(planned);
    TensorType type = job.layout.types[planned.tensor_index];
    if (info.shape.size() <= 1 && type != TensorType::F32 && type != info.type)
      names.push_back(printable(info.name));
  }
  return names;
}

void warn_before(const CommonOptions& common, const Job& job, const Options& options) {
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
                             printable(options.importance), some_of(unweighted)));
  }
  std::vector<std::string> halves = one_dimensional_halves(job);
  if (!halves.empty()) {
    warn(common,
         fmt::format("{} of one dimension will be stored in 16 bits ({}): llama.cpp's kernels want such "
                     "tensors in F32",
                     counted(halves.size(), "tensor"), some_of(halves)));
  }
}

std::string type_change(TensorType before, TensorType after) {
  return before == after ? std::string(name_of(before))
                         : fmt::format("{} -> {}", name_of(before), name_of(after));
}

void print_plan(const Job& job) {
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

void print_sizes(const Job& job, bool planned_only) {
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

// Why a tensor's values are what they were, in words.
std::string why_unchanged(const Job& job, const TensorResult& result) {
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

void print_unchanged(const Job& job, const RewriteResult& result) {
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

// The cells of one line: names, then measures.
std::vector<std::string> result_row(std::vector<std::string> row, const Difference& difference,
                                    double store_max_abs) {
  row.push_back(format_count(difference.changed_count));
  for (std::string& cell : measure_cells(difference)) row.push_back(std::move(cell));
  row.push_back(format_count(difference.new_nonfinite));
  row.push_back(number(store_max_abs));
  return row;
}

void print_results(const Job& job, const RewriteResult& result) {
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

void warn_after(const CommonOptions& common, const Job& job, const RewriteResult& result) {
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

Json json_of_plan(const Job& job) {
  return {{"chosen_bits_per_weight", job.plan.chosen_bits.value()},
          {"model_bits_per_weight", job.plan.model_bits.value()},
          {"bytes_before", job.layout.bytes_before},
          {"bytes_after", job.layout.bytes_after}};
}

Json json_of(const Job& job, const PlannedTensor& planned) {
  const TensorInfo& info = job.info(planned);
  return {{"name", info.name},
          {"format", planned.format.name},
          {"rule", planned.rule},
          {"type_before", name_of(info.type)},
          {"type_after", name_of(job.layout.types[planned.tensor_index])},
          {"bits_per_weight", stored_bits(planned.format, info.row_length, info.value_count).value()}};
}

Json json_header(const Job& job, bool dry_run) {
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

Json json_of(const Job& job) {
  Json json = json_header(job, true);
  json["tensors"] = Json::array();
  for (const PlannedTensor& planned : job.plan.tensors) json["tensors"].push_back(json_of(job, planned));
  return json;
}

Json json_of(const Job& job, const RewriteResult& result) {
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

Job prepare(Options& options, const CommonOptions& common) {
  Job job;
  Store store = parse_store(options.store);
  job.model = open_model(options.model);
  std::vector<Rule> rules = rules_of(options, job.model);
  job.plan = make_plan(job.model.tensors(), rules, {.store = store, .skip_unfit = options.skip_unfit});
  if (!options.importance.empty()) job.importance = ImportanceMatrix::load(options.importance);
  job.rounders = std::make_unique<PlannedRounders>(job.model, job.plan, job.importance);
  std::vector<std::string> outputs = shard_output_names(options.output, job.model.shards().size());
  std::vector<std::string>& inputs = options.rewrite.inputs;
  inputs = job.model.paths();
  for (const std::string& file : {options.importance, options.recipe}) {
    if (!file.empty()) inputs.push_back(file);
  }
  // Refused before the reading that choosing storage can take; rewrite() checks again with the size needed.
  for (const std::string& output : outputs) {
    check_output(output, inputs, options.rewrite.force || options.dry_run, 0);
  }
  std::vector<std::string> models = inputs;
  models.insert(models.end(), outputs.begin(), outputs.end());
  check_json_target(common, models);
  job.layout = plan_rewrite(job.model, job.plan, *job.rounders, options.output, options.rewrite);
  return job;
}

int run(Options& options, const CommonOptions& common) {
  options.rewrite.sync = !options.no_sync;
  options.rewrite.progress = common.progress();
  Job job = prepare(options, common);
  warn_before(common, job, options);
  if (options.dry_run) {
    if (common.prints_text()) {
      print_plan(job);
      print_sizes(job, true);
    }
    write_json(common, [&] { return json_of(job); });
    return kDone;
  }
  if (common.prints_text() && common.verbose) print_plan(job);
  RewriteResult result = rewrite(job.model, job.plan, *job.rounders, job.layout, options.rewrite);
  if (common.prints_text()) {
    if (!result.tensors.empty()) print_results(job, result);
    print_unchanged(job, result);
    print_sizes(job, false);
  }
  warn_after(common, job, result);
  write_json(common, [&] { return json_of(job, result); });
  return kDone;
}

constexpr const char* kExamples =
    "Examples:\n"
    "  fakequant quantize in.gguf out.gguf --tensors ffn_norm --layers 0-2 --format bf16:rtz\n"
    "  fakequant quantize in.gguf out.gguf --tensors 'matrices,!embedding,!output' --format int4:group=32\n"
    "  fakequant quantize in.gguf out.gguf --tensors ffn_down --format q4_k --imatrix imatrix.gguf\n"
    "  fakequant quantize in.gguf out.gguf --recipe recipe.toml --dry-run\n\n"
    "A recipe is a TOML file; the first rule that matches a tensor decides it:\n"
    "  [[rule]]\n  tensors = \"ffn_norm\"\n  layers = \"0-2\"\n  format = \"bf16:rtz\"\n  store = "
    "\"keep\"\n\n"
    "--store says what the file stores: keep (the tensor's own type; differences that it adds are measured "
    "and named),\n"
    "  auto (widen just the tensors whose type cannot hold the rounded values), f32, f16, bf16 (force),\n"
    "  narrow (auto, and F32 matrices become F16 or BF16 where that is exact)\n\n";

}  // namespace

std::function<int()> add_quantize(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("-m,--model,MODEL", options->model,
                 "GGUF file, any part of a split one, or `demo`; only read")
      ->required();
  app.add_option("OUT", options->output, "File to write; for a split model OUT-00001-of-0000N.gguf and so on")
      ->required();
  add_selection_options(app, options->selection);
  app.add_option("--format", options->format,
                 "Number format to round to: bf16:rtz, int4:group=32, q4_k, ... (see `fakequant formats`)")
      ->type_name("FORMAT");
  app.add_option("--recipe", options->recipe,
                 "TOML file of rules instead of --tensors, --layers and --format")
      ->type_name("FILE");
  app.add_option("--store", options->store,
                 "What the file stores: keep (default), auto, f32, f16, bf16, narrow")
      ->type_name("TYPE");
  app.add_option("--imatrix", options->importance, "Importance matrix of llama-imatrix, for ggml types")
      ->type_name("FILE");
  app.add_flag("--skip-unfit", options->skip_unfit,
               "Leave tensors whose shape does not fit the format, and list them");
  app.add_flag("--dry-run", options->dry_run, "Show plan, sizes and bits per weight; write nothing");
  app.add_flag("--force", options->rewrite.force, "Replace an existing output");
  app.add_flag("--no-sync", options->no_sync, "Do not wait until the output is on disk");
  app.add_flag("--stamp", options->rewrite.stamp, "Add fakequant.* metadata that says what was done");
  add_epsilon_option(app, options->rewrite.epsilon, "|o - q| / (|o| + epsilon)");
  app.footer(kExamples + role_help());
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
