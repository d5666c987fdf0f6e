// Tables whose rows are tensors: how values differ, and what precision a model's tensors really have.

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/text.h"
#include "report/table_builder.h"

namespace fakequant::report {
namespace {

struct TensorRow {
  const RunReport& report;
  const ReportVariant& variant;
  const TensorDifference& tensor;

  size_t line() const { return variant.difference->line; }
  const DifferenceMeasures& measures() const { return tensor.measures; }
};

Cell layer_cell(std::optional<size_t> layer, size_t line) {
  if (!layer) return text_cell("-", line);
  return count_cell(*layer, line);
}

Cell changed_cell(const DifferenceMeasures& measures, size_t line) {
  if (measures.count == 0) return share_cell(std::nullopt, line);
  return share_cell(static_cast<double>(measures.changed_count) / static_cast<double>(measures.count), line);
}

constexpr ColumnOf<TensorRow> kTensorColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const TensorRow& row) { return text_cell(row.report.label(row.variant)); }},
    {words("tensor", "tensor", "its name in the file"),
     [](const TensorRow& row) { return text_cell(row.tensor.name, row.line()); }},
    {words("role", "role", "what it is for"),
     [](const TensorRow& row) { return text_cell(row.tensor.role, row.line()); }},
    {numbers("layer", "layer", "", "the number in its name"),
     [](const TensorRow& row) { return layer_cell(row.tensor.layer, row.line()); }},
    {words("type", "stored as", "the file's type, before and after where they differ"),
     [](const TensorRow& row) {
       const TensorDifference& tensor = row.tensor;
       bool same = tensor.type_before == tensor.type_after;
       return text_cell(
           same ? tensor.type_before : fmt::format("{} -> {}", tensor.type_before, tensor.type_after),
           row.line());
     }},
    {words("effective_before", "precise as", "the smallest format that holds every value before the change"),
     [](const TensorRow& row) { return text_cell(row.tensor.effective_before, row.line()); }},
    {words("format", "format", "what its values were rounded to"),
     [](const TensorRow& row) { return text_cell(row.tensor.format, row.line()); }},
    {numbers("bits_per_weight", "bits", "bits per weight", "what the format would store"),
     [](const TensorRow& row) { return number_cell(row.tensor.bits_per_weight, row.line()); }},
    {numbers("changed_share", "changed", "share", "share of its values that differ from what they were"),
     [](const TensorRow& row) { return changed_cell(row.measures(), row.line()); }},
    {numbers("max_abs", "max abs", "", "largest absolute difference"),
     [](const TensorRow& row) { return number_cell(row.measures().max_abs, row.line()); }},
    {numbers("mean_abs", "mean abs", "", "mean absolute difference"),
     [](const TensorRow& row) { return number_cell(row.measures().mean_abs, row.line()); }},
    {numbers("max_rel", "max rel", "share", "largest relative difference"),
     [](const TensorRow& row) { return share_cell(row.measures().max_rel, row.line()); }},
    {numbers("mean_rel", "mean rel", "share", "mean relative difference"),
     [](const TensorRow& row) { return share_cell(row.measures().mean_rel, row.line()); }},
    {numbers("rmse", "RMSE", "", "root of the mean squared difference"),
     [](const TensorRow& row) { return number_cell(row.measures().rmse, row.line()); }},
    {numbers("snr_db", "SNR dB", "dB", "signal-to-noise ratio; 6 dB are one bit"),
     [](const TensorRow& row) { return number_cell(row.measures().snr_db, row.line()); }},
    {numbers("new_nonfinite", "new NaN/Inf", "", "values that were finite and are not any more"),
     [](const TensorRow& row) { return count_cell(row.measures().new_nonfinite, row.line()); }},
    {numbers("store_max_abs", "store error", "", "largest difference that storing adds after rounding"),
     [](const TensorRow& row) { return number_cell(row.measures().store_max_abs, row.line()); }}};

// Tensors of a variant with the same role and layer, added up.
struct LayerRow {
  const RunReport* report;
  const ReportVariant* variant;
  std::string role;
  std::optional<size_t> layer;
  uint64_t count = 0, changed = 0;
  double squares = 0, relative = 0;  // sums over values
  double max_abs = 0;

  size_t line() const { return variant->difference->line; }
  double of_count(double sum) const { return count == 0 ? 0 : sum / static_cast<double>(count); }

  void add(const TensorDifference& tensor) {
    const DifferenceMeasures& measures = tensor.measures;
    auto values = static_cast<double>(measures.count);
    count += measures.count;
    changed += measures.changed_count;
    squares += values * measures.rmse.value_or(0) * measures.rmse.value_or(0);
    relative += values * measures.mean_rel.value_or(0);
    max_abs = std::max(max_abs, measures.max_abs.value_or(0));
  }
};

constexpr ColumnOf<LayerRow> kLayerColumns[] = {
    {words("variant", "variant", "its name in the experiment"),
     [](const LayerRow& row) { return text_cell(row.report->label(*row.variant)); }},
    {words("role", "role", "what the tensors are for"),
     [](const LayerRow& row) { return text_cell(row.role, row.line()); }},
    {numbers("layer", "layer", "", "the number in their names"),
     [](const LayerRow& row) { return layer_cell(row.layer, row.line()); }},
    {numbers("values", "values", "", "values of these tensors"),
     [](const LayerRow& row) { return count_cell(row.count, row.line()); }},
    {numbers("changed_share", "changed", "share", "share of them that differ from what they were"),
     [](const LayerRow& row) {
       return share_cell(row.of_count(static_cast<double>(row.changed)), row.line());
     }},
    {numbers("mean_rel", "mean rel", "share", "mean relative difference"),
     [](const LayerRow& row) { return share_cell(row.of_count(row.relative), row.line()); }},
    {numbers("rmse", "RMSE", "", "root of the mean squared difference"),
     [](const LayerRow& row) { return number_cell(std::sqrt(row.of_count(row.squares)), row.line()); }},
    {numbers("max_abs", "max abs", "", "largest absolute difference"),
     [](const LayerRow& row) { return number_cell(row.max_abs, row.line()); }}};

// Tensors of a model with the same role, type and effective precision.
struct PrecisionRow {
  const ReportModel* model;
  std::string role, type, effective;
  std::vector<std::string> layers;
  size_t tensors = 0;
  uint64_t values = 0;

  size_t line() const { return model->inspection->line; }
};

constexpr ColumnOf<PrecisionRow> kPrecisionColumns[] = {
    {words("model", "model", "the unchanged model"),
     [](const PrecisionRow& row) { return text_cell(row.model->name); }},
    {words("role", "role", "what the tensors are for"),
     [](const PrecisionRow& row) { return text_cell(row.role, row.line()); }},
    {words("type", "stored as", "the type in the file"),
     [](const PrecisionRow& row) { return text_cell(row.type, row.line()); }},
    {words("effective_precision", "precise as", "the smallest format that holds every value exactly"),
     [](const PrecisionRow& row) { return text_cell(row.effective, row.line()); }},
    {numbers("tensors", "tensors", "", "how many"),
     [](const PrecisionRow& row) { return count_cell(row.tensors, row.line()); }},
    {numbers("values", "values", "", "in all of them"),
     [](const PrecisionRow& row) { return count_cell(row.values, row.line()); }},
    {words("layers", "layers", "where they are"),
     [](const PrecisionRow& row) { return text_cell(join(row.layers, ", "), row.line()); }}};

// Layers in ascending order as ranges: "0-2", "5".
void add_layer(std::vector<std::string>& ranges, size_t layer, size_t& first, size_t& last) {
  bool goes_on = !ranges.empty() && layer == last + 1;
  if (!goes_on) first = layer;
  last = layer;
  std::string text = first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
  if (goes_on) {
    ranges.back() = text;
  } else {
    ranges.push_back(text);
  }
}

std::vector<PrecisionRow> precision_rows(const ReportModel& model) {
  using Kind = std::tuple<std::string, std::string, std::string>;
  std::vector<PrecisionRow> rows;
  std::map<Kind, size_t> places;
  std::map<Kind, std::vector<size_t>> layers;
  for (const InspectedTensor& tensor : model.inspection->tensors) {
    Kind kind{tensor.role, tensor.type, tensor.effective_precision};
    auto [place, is_new] = places.emplace(kind, rows.size());
    if (is_new) rows.push_back({&model, tensor.role, tensor.type, tensor.effective_precision, {}, 0, 0});
    PrecisionRow& row = rows[place->second];
    ++row.tensors;
    row.values += tensor.count;
    if (tensor.layer) layers[kind].push_back(*tensor.layer);
  }
  for (auto& [kind, numbers] : layers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    size_t first = 0, last = 0;
    for (size_t layer : numbers) add_layer(rows[places.at(kind)].layers, layer, first, last);
  }
  return rows;
}

}  // namespace

ReportTable tensors_table(const RunReport& report) {
  std::vector<TensorRow> rows;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference) continue;
    for (const TensorDifference& tensor : variant.difference->tensors)
      rows.push_back({report, variant, tensor});
  }
  return make_table("tensors", "Differences by tensor", kTensorColumns, rows);
}

ReportTable layers_table(const RunReport& report) {
  std::vector<LayerRow> rows;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference) continue;
    std::map<std::pair<std::string, std::optional<size_t>>, size_t> places;
    for (const TensorDifference& tensor : variant.difference->tensors) {
      auto [place, is_new] = places.emplace(std::pair(tensor.role, tensor.layer), rows.size());
      if (is_new)
        rows.push_back({.report = &report, .variant = &variant, .role = tensor.role, .layer = tensor.layer});
      rows[place->second].add(tensor);
    }
  }
  return make_table("layers", "Differences by layer and role", kLayerColumns, rows);
}

ReportTable precision_table(const RunReport& report) {
  std::vector<PrecisionRow> rows;
  for (const ReportModel& model : report.models) {
    if (!model.inspection) continue;
    for (PrecisionRow& row : precision_rows(model)) rows.push_back(std::move(row));
  }
  return make_table("precision", "What the tensors really hold", kPrecisionColumns, rows);
}

}  // namespace fakequant::report
