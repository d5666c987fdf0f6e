// fakequant inspect: what the tensors of a model really hold.

#include "tensors/inspect.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/selection.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "tensors/inspect_json.h"

namespace fakequant::cli {

namespace {

struct Options {
  std::string model;
  SelectionOptions selection;
  bool grids = false;
  bool metadata = false;
};

std::string shape_text(const TensorInfo& info) {
  return info.shape.empty() ? "scalar" : fmt::format("{}", fmt::join(info.shape, " x "));
}

void print_file_facts(const Model& model, const ModelSums& sums) {
  std::string architecture = model.architecture();
  fmt::print("{}\n", printable(model.path()));
  fmt::print("  GGUF version {}, {}, {}, {}, {}, {:.4f} bits per weight\n", model.shards()[0].version(),
             architecture.empty() ? "no architecture named" : "architecture " + printable(architecture),
             model.shards().size() == 1
                 ? format_bytes(model.total_bytes())
                 : fmt::format("{} in {} files", format_bytes(model.total_bytes()), model.shards().size()),
             counted(model.tensors().size(), "tensor"), counted(sums.weights, "weight"),
             sums.bits_per_weight());
  for (const auto& [name, sum] : sums.types) {
    fmt::print("  {:<8} {:>14} {:>12}\n", name, counted(sum.tensors, "tensor"), format_bytes(sum.bytes));
  }
}

void print_metadata(const Model& model) {
  fmt::print("\nmetadata\n");
  for (const GgufFile& shard : model.shards()) {
    for (const MetadataEntry& entry : shard.metadata()) {
      fmt::print("  {} = {}\n", printable(entry.key), display_value(entry));
    }
  }
}

// The name that --format takes, where there is one, and the scales.
std::string grid_text(const GridFinding& grid) {
  return grid.format == grid.text() ? grid.format : fmt::format("{} ({})", grid.format, grid.scales);
}

// The first of the grids that the values are on, or all of them.
std::string grids_text(const std::vector<GridFinding>& grids, bool all) {
  std::vector<std::string> texts;
  for (const GridFinding& grid : grids) texts.push_back(grid_text(grid));
  if (all || texts.size() == 1) return join(texts, ", ");
  return fmt::format("{} and {} more", texts[0], texts.size() - 1);
}

// What a reader should know of the values beyond the columns; only what there is.
std::string remarks_on(const TensorInfo& info, const TensorReport& report, bool all_grids) {
  const ValueStatistics& s = report.facts->statistics;
  std::vector<std::string> remarks;
  auto add = [&](uint64_t count, const char* what) {
    if (count > 0) remarks.push_back(fmt::format("{} {}", format_count(count), what));
  };
  add(s.nan_count, "NaN");
  add(s.inf_count, "Inf");
  add(s.beyond_f16_count, "beyond F16");
  if (s.zero_count > 0) remarks.push_back(counted(s.zero_count, "zero"));
  // Of F16 values those are the share below its normals.
  if (info.type != TensorType::F16) add(s.subnormal_count, "subnormal");
  if (s.below_f16_normal_count > 0)
    remarks.push_back(percent(s.below_f16_normal_fraction()) + " below F16's normals");
  if (!decodes_exactly(info.type)) remarks.push_back("read as F32");
  if (!report.grids.empty()) remarks.push_back("exactly on " + grids_text(report.grids, all_grids));
  return join(remarks, "; ");
}

std::string distinct_text(const TensorInfo& info, const TensorReport& report) {
  if (report.facts->distinct_count) return format_count(*report.facts->distinct_count);
  return decodes_exactly(info.type) ? ">65,536" : "-";
}

void print_tensors(const Model& model, const std::vector<TensorReport>& reports, bool all_grids) {
  using enum Table::Align;
  Table table({{"tensor", left},
               {"type", left},
               {"shape", right},
               {"size", right},
               {"effective", left},
               {"low16=0", right},
               {"distinct", right},
               {"min", right},
               {"max", right},
               {"mean", right},
               {"std", right},
               {"kurtosis", right},
               {"outlier", right},
               {"remarks", left}});
  for (const TensorReport& report : reports) {
    const TensorInfo& info = *model.tensors()[report.tensor_index].info;
    std::vector<std::string> row{printable(info.name), std::string(name_of(info.type)), shape_text(info),
                                 format_bytes(info.data_bytes), report.effective_precision};
    if (!report.facts) {
      row.insert(row.end(), 8, "-");
      row.emplace_back("a type internal to ggml: values cannot be read");
    } else {
      const ValueStatistics& s = report.facts->statistics;
      auto short_number = [](double value) {
        return std::isnan(value) ? std::string("-") : fmt::format("{:.4g}", value);
      };
      row.push_back(info.type == TensorType::F32 ? percent(s.low16_zero_fraction()) : "");
      row.push_back(distinct_text(info, report));
      for (double value : {s.min(), s.max(), s.mean(), s.standard_deviation(), s.kurtosis()})
        row.push_back(short_number(value));
      row.push_back(std::isnan(s.largest_outlier()) ? "-" : fmt::format("{:.1f} std", s.largest_outlier()));
      row.push_back(remarks_on(info, report, all_grids));
    }
    table.add(std::move(row));
  }
  fmt::print("\n{}", table.text(terminal_styles()));
}

bool is_narrower(const TensorInfo& info, const TensorReport& report) {
  if (!report.facts || report.facts->statistics.count == 0) return false;
  bool half = info.type == TensorType::F16 || info.type == TensorType::BF16;
  if (info.type != TensorType::F32 && !half) return false;
  EffectivePrecision precision = report.facts->precision;
  if (info.type == TensorType::F32) return precision != EffectivePrecision::f32;
  return precision < EffectivePrecision::bf16;
}

// The command that narrows what was looked at.
std::string narrow_command(const Model& model, const SelectionOptions& selection) {
  std::string tensors = selection.tensors.empty() ? "matrices" : selection.tensors;
  std::string layers = selection.layers.empty() ? "" : " --layers " + shell_quoted(selection.layers);
  return fmt::format("fakequant quantize {} OUT.gguf --tensors {}{} --format f32 --store narrow",
                     shell_quoted(model.path()), shell_quoted(tensors), layers);
}

void print_summary(const Model& model, const Options& options, const std::vector<TensorReport>& reports) {
  const SelectionOptions& selection = options.selection;
  std::map<std::string, std::vector<std::string>> wider;  // "F32 in name and bf16 in fact" -> names
  uint64_t saved = 0;
  size_t narrow_count = 0;
  for (const TensorReport& report : reports) {
    const TensorInfo& info = *model.tensors()[report.tensor_index].info;
    std::string fact;
    if (is_narrower(info, report)) fact = report.effective_precision;
    if (!report.grids.empty()) fact = grid_text(report.grids[0]);
    if (!fact.empty()) {
      wider[fmt::format("{} in name and {} in fact", name_of(info.type), fact)].push_back(
          printable(info.name));
    }
    saved += report.narrow_saves_bytes;
    narrow_count += report.narrow_type ? 1 : 0;
  }
  fmt::print("\n");
  const char* whom = selection.given() ? "Every tensor looked at" : "Every tensor";
  if (wider.empty()) fmt::print("{} needs the precision of its type.\n", whom);
  for (const auto& [what, names] : wider) {
    fmt::print("{} {} {}: {}.\n", counted(names.size(), "tensor"), names.size() == 1 ? "is" : "are", what,
               some_of(names));
  }
  if (narrow_count > 0) {
    fmt::print("A lossless narrowing of {} {} saves {}{}:\n  {}\n", narrow_count,
               narrow_count == 1 ? "matrix" : "matrices", format_bytes(saved),
               options.grids ? "" : " with F16 and BF16 alone (--grids tries quantized types too)",
               narrow_command(model, selection));
  } else {
    fmt::print("A lossless narrowing (--store narrow) would save nothing: no {}{} fits {}.\n",
               options.grids ? "matrix" : "F32 matrix", selection.given() ? " looked at" : "",
               options.grids ? "a smaller type of llama.cpp, as its quantizers find codes"
                             : "F16 or BF16 (--grids tries quantized types too)");
  }
}

int run(const Options& options, const CommonOptions& common) {
  Model model = open_model(options.model);
  check_json_target(common, model.paths());
  std::vector<size_t> indices = selected(model, options.selection);
  ModelSums sums = sums_of(model);
  if (common.prints_text()) {
    print_file_facts(model, sums);
    if (options.metadata || common.verbose) print_metadata(model);
  }
  std::vector<TensorReport> reports =
      inspect(model, indices, {.grids = options.grids, .progress = common.progress()});
  if (common.prints_text() && !reports.empty()) {
    print_tensors(model, reports, common.verbose);
    print_summary(model, options, reports);
  }
  write_json(common, [&] { return versioned(inspection_json(model, reports)); });
  return kDone;
}

}  // namespace

std::function<int()> add_inspect(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("-m,--model,MODEL", options->model, "GGUF file, any part of a split one, or `demo`")
      ->required();
  add_selection_options(app, options->selection);
  app.add_flag("--grids", options->grids,
               "Also find formats that the values are exactly on, with their scales: fp8, integers, mxfp4, "
               "nvfp4, nf4, q4_0, ..., and quantized types for --store narrow (slower)");
  app.add_flag("--metadata", options->metadata, "Also print the file's metadata");
  app.footer(
      "effective: the first of e2m1 e2m3 e3m2 e4m3 e5m2 bf16 bf16+1 f16 tf32 f32 that holds every value "
      "exactly;\n"
      "  `constant` for one value, bf16+1 for norms stored as weight + 1; a quantized type is its own\n"
      "low16=0: share of F32 values whose low 16 bits are zero. distinct: values that differ, to 65,536\n"
      "kurtosis: 3 for a normal distribution. outlier: largest distance from the mean in standard "
      "deviations\n"
      "--grids: a finding allows for rounding to the storage type and is checked value by value. Scales\n"
      "  are sought per tensor, row and group, per 128 x 128 tile (e4m3), as powers of two per 32 (MX),\n"
      "  E4M3 per 16 under one F32 (nvfp4), F16 per 32 (q4_0, q5_0, q8_0); other ggml types by quantizing\n"
      "  again, but iq1, iq2 and iq3 not at all. Findings of our own formats that fewer bits or wider "
      "shared\n"
      "  scales make superfluous are not listed; -v shows all that are. A name may be given to --format, "
      "which\n"
      "  chooses scales by its own rule. Finding nothing does not rule out a K or IQ type: ggml's search "
      "may\n"
      "  find other codes for restored values\n\n" +
      role_help());
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
