// Charts of the weights of a tensor: where they lie before and after, and how far they moved.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/text.h"
#include "report/chart_parts.h"

namespace fakequant::report {
namespace {

constexpr size_t kMostTensors = 24;  // with histograms: a page stays small

struct ShownTensor {
  std::string name;  // as the reader chooses it
  const TensorDifference* tensor;
  size_t line;
};

// A tensor that several variants round alike is the same chart: it is shown once.
std::vector<ShownTensor> different_tensors(const RunReport& report) {
  std::vector<ShownTensor> all;
  std::set<std::tuple<size_t, std::string, std::string, std::string>> seen;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.difference) continue;
    for (const TensorDifference& tensor : variant.difference->tensors) {
      if (tensor.before.empty() ||
          !seen.emplace(variant.model, tensor.name, tensor.format, tensor.type_after).second)
        continue;
      std::string name = fmt::format("{} in {}", tensor.name, tensor.format);
      if (report.models.size() > 1) name += fmt::format(" ({})", report.models.at(variant.model).name);
      all.push_back({std::move(name), &tensor, variant.difference->line});
    }
  }
  return all;
}

struct ShownTensors {
  std::vector<ShownTensor> tensors;
  std::string note;
};

// Those with the largest mean relative difference, worst first.
ShownTensors tensors_with_histograms(const RunReport& report) {
  ShownTensors shown{different_tensors(report), ""};
  size_t found = shown.tensors.size();
  std::stable_sort(shown.tensors.begin(), shown.tensors.end(),
                   [](const ShownTensor& a, const ShownTensor& b) {
                     return a.tensor->measures.mean_rel.value_or(0) > b.tensor->measures.mean_rel.value_or(0);
                   });
  if (found > kMostTensors) {
    shown.tensors.resize(kMostTensors);
    shown.note = fmt::format("Of {} tensors, the {} with the largest mean relative difference can be chosen.",
                             found, kMostTensors);
  }
  return shown;
}

void add_bars(Json& values, const ShownTensor& shown, const char* state,
              const std::vector<HistogramBar>& bars) {
  for (const HistogramBar& bar : bars) {
    Json row = {{"tensor", shown.name}};
    if (state != nullptr) row["state"] = state;
    row["lower"] = shown_number(bar.lower);
    row["upper"] = shown_number(bar.upper);
    row["count"] = bar.count;
    values.push_back(std::move(row));
  }
}

std::vector<std::string> names_of(const ShownTensors& shown) {
  std::vector<std::string> names;
  for (const ShownTensor& tensor : shown.tensors) names.push_back(tensor.name);
  return names;
}

LogAxis axis_of_counts(const Json& values) {
  LogAxis axis;
  axis.add(0.5);  // so that a bar of one weight has a height
  for (const Json& row : values) axis.add(row["count"].get<double>());
  return axis;
}

double percent(std::optional<double> fraction) {
  return 100 * fraction.value_or(0);
}

}  // namespace

std::optional<Drawing> draw_weights(const RunReport& report) {
  ShownTensors shown = tensors_with_histograms(report);
  if (shown.tensors.empty()) return std::nullopt;
  Json values = Json::array();
  for (const ShownTensor& tensor : shown.tensors) {
    add_bars(values, tensor, "before", tensor.tensor->before);
    add_bars(values, tensor, "after", tensor.tensor->after);
  }
  Json spec = chart_spec(R"json({
    "width": "container", "height": 260,
    "encoding": {
      "x": {"field": "lower", "type": "quantitative", "title": "value of a weight", "scale": {"zero": false, "nice": false}, "axis": {"tickCount": 9}},
      "x2": {"field": "upper"},
      "y": {"field": "count", "type": "quantitative", "title": "weights (log scale)"},
      "color": {"field": "state", "type": "nominal", "title": null, "scale": {"domain": ["before", "after"], "range": ["#9AA0A6", "#D55E00"]}},
      "tooltip": [{"field": "state", "title": "weights"}, {"field": "lower", "title": "from", "format": ".4~g"},
                  {"field": "upper", "title": "to", "format": ".4~g"}, {"field": "count", "title": "count", "format": ","}]},
    "layer": [
      {"transform": [{"filter": "datum.state === 'before'"}], "mark": {"type": "rect", "opacity": 0.55}, "encoding": {"y2": {"datum": 0.5}}},
      {"transform": [{"filter": "datum.state === 'after'"}], "mark": {"type": "rule", "strokeWidth": 2.5}}
    ]})json");
  axis_of_counts(values).apply_to(spec["encoding"]["y"]);
  spec["data"] = {{"values", std::move(values)}};
  add_choice(spec, "tensor", "Tensor", names_of(shown));
  const ShownTensor& first = shown.tensors.front();
  return Drawing{
      std::move(spec),
      {{"tensor", "tensor"}, {"state", "weights"}, {"lower", "from"}, {"upper", "to"}, {"count", "count"}},
      fmt::format("Overlaid histograms of weights before and after, of {}. {}: {} of {} values changed, mean "
                  "relative difference {} %.",
                  counted(shown.tensors.size(), "tensor"), first.name,
                  format_count(first.tensor->measures.changed_count),
                  format_count(first.tensor->measures.count),
                  short_number(percent(first.tensor->measures.mean_rel))),
      shown.note};
}

std::optional<Drawing> draw_differences(const RunReport& report) {
  ShownTensors shown = tensors_with_histograms(report);
  std::erase_if(shown.tensors, [](const ShownTensor& tensor) {
    return tensor.tensor->measures.changed_count == 0 || tensor.tensor->abs_difference.empty();
  });
  if (shown.tensors.empty()) return std::nullopt;
  Json values = Json::array();
  for (const ShownTensor& tensor : shown.tensors)
    add_bars(values, tensor, nullptr, tensor.tensor->abs_difference);
  Json spec = chart_spec(R"json({
    "width": "container", "height": 220,
    "mark": {"type": "rect", "color": "#0072B2"},
    "encoding": {
      "x": {"field": "lower", "type": "quantitative", "title": "absolute difference of a weight", "scale": {"nice": false}, "axis": {"format": "~g", "tickCount": 8}},
      "x2": {"field": "upper"},
      "y": {"field": "count", "type": "quantitative", "title": "weights (log scale)"},
      "y2": {"datum": 0.5},
      "tooltip": [{"field": "lower", "title": "from", "format": ".4~g"}, {"field": "upper", "title": "to", "format": ".4~g"},
                  {"field": "count", "title": "count", "format": ","}]}})json");
  axis_of_counts(values).apply_to(spec["encoding"]["y"]);
  spec["data"] = {{"values", std::move(values)}};
  add_choice(spec, "tensor", "Tensor", names_of(shown));
  const ShownTensor& first = shown.tensors.front();
  return Drawing{std::move(spec),
                 {{"tensor", "tensor"}, {"lower", "from"}, {"upper", "to"}, {"count", "count"}},
                 fmt::format("Histogram of absolute differences, of {}. {}: mean {}, largest {}.",
                             counted(shown.tensors.size(), "tensor"), first.name,
                             short_number(first.tensor->measures.mean_abs.value_or(0)),
                             short_number(first.tensor->measures.max_abs.value_or(0))),
                 shown.note};
}

}  // namespace fakequant::report
