// Charts of how the divergence spreads over tokens: by the baseline's confidence, and its tails.
#include <fmt/format.h>

#include <algorithm>

#include "report/chart_parts.h"

namespace fakequant::report {
namespace {

constexpr size_t kMostLines = 6;  // more cannot be told apart by colour

std::string bucket_name(const ConfidenceBucket& bucket) {
  if (bucket.from <= 0) return fmt::format("below {:g} %", 100 * bucket.below);
  if (bucket.below >= 1) return fmt::format("{:g} % and more", 100 * bucket.from);
  return fmt::format("{:g}–{:g} %", 100 * bucket.from, 100 * bucket.below);
}

std::vector<std::string> text_names(const RunReport& report) {
  std::vector<std::string> names;
  for (size_t text : measured_texts(report)) names.push_back(report.texts[text].name);
  return names;
}

Json labels_of(const RunReport& report, const ShownVariants& shown) {
  Json labels = Json::array();
  for (size_t index : shown.indices) labels.push_back(report.label(report.variants[index]));
  return labels;
}

Json confidence_lines() {
  return chart_spec(R"json({
    "width": "container", "height": 280,
    "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 50, "filled": true}},
    "encoding": {
      "x": {"field": "confidence", "type": "ordinal", "title": ["the baseline's probability", "of its most likely token"], "axis": {"labelAngle": 0, "labelOverlap": true}},
      "y": {"field": "kld", "type": "quantitative", "title": "mean KL divergence (nats per token)"},
      "color": {"field": "variant", "type": "nominal", "title": null, "legend": {"columns": 3}}}})json");
}

Json confidence_map(size_t rows) {
  Json spec = chart_spec(R"json({
    "width": "container",
    "mark": {"type": "rect"},
    "encoding": {
      "x": {"field": "confidence", "type": "ordinal", "title": ["the baseline's probability", "of its most likely token"], "axis": {"labelAngle": 0, "labelOverlap": true}},
      "y": {"field": "variant", "type": "nominal", "title": null},
      "color": {"field": "kld", "type": "quantitative", "title": ["mean KL divergence", "(nats per token)"]}}})json");
  spec["height"] = rows * (rows > 30 ? 16 : 22);
  return spec;
}

}  // namespace

std::optional<Drawing> draw_confidence(const RunReport& report) {
  ShownVariants shown = variants_with_divergence(report);
  Json values = Json::array(), buckets = Json::array();
  std::optional<std::pair<double, std::string>> worst;
  LogAxis axis;
  size_t lines = 0;
  bool beside_control = false;
  for (size_t index : shown.indices) {
    const ReportVariant& variant = report.variants[index];
    size_t before = values.size();
    for (const DivergenceResult& divergence : variant.divergences) {
      for (const ConfidenceBucket& bucket : divergence.by_confidence) {
        std::string name = bucket_name(bucket);
        if (std::find(buckets.begin(), buckets.end(), name) == buckets.end()) buckets.push_back(name);
        if (!bucket.kld_mean || *bucket.kld_mean <= 0 || bucket.tokens == 0) continue;
        values.push_back({{"variant", report.label(variant)},
                          {"text", report.texts.at(divergence.text).name},
                          {"confidence", name},
                          {"tokens", bucket.tokens},
                          {"kld", shown_number(*bucket.kld_mean)},
                          {"flips", bucket.flips},
                          {"line", divergence.line}});
        axis.add(*bucket.kld_mean);
        if (!worst || *bucket.kld_mean > worst->first)
          worst = {*bucket.kld_mean, fmt::format("{} where the baseline gives its most likely token {}",
                                                 report.label(variant), name)};
      }
    }
    lines += values.size() > before ? 1 : 0;
    beside_control = beside_control || (values.size() > before && !variant.is_control);
  }
  if (!beside_control) return std::nullopt;
  Json spec = lines <= kMostLines ? confidence_lines() : confidence_map(lines);
  if (lines <= kMostLines)
    axis.apply_to(spec["encoding"]["y"]);
  else
    axis.color(spec["encoding"]["color"]);
  spec["encoding"]["x"]["sort"] = buckets;
  spec["encoding"][lines <= kMostLines ? "color" : "y"]["sort"] = labels_of(report, shown);
  spec["encoding"]["tooltip"] =
      chart_spec(R"json([{"field": "variant", "title": "variant"}, {"field": "text", "title": "text"},
    {"field": "confidence", "title": "confidence of the baseline"}, {"field": "tokens", "title": "tokens", "format": ","},
    {"field": "kld", "title": "mean KL divergence (nats per token)", "format": ".4~g"}, {"field": "flips", "title": "top token flips", "format": ","}])json");
  spec["data"] = {{"values", std::move(values)}};
  add_choice(spec, "text", "Text", text_names(report));
  return Drawing{std::move(spec),
                 {{"variant", "variant"},
                  {"text", "text"},
                  {"confidence", "confidence of the baseline"},
                  {"tokens", "tokens"},
                  {"kld", "mean KL divergence (nats per token)"},
                  {"flips", "top token flips"},
                  {"line", "journal line"}},
                 fmt::format("Mean KL divergence of tokens grouped by the baseline's confidence. Highest: {} "
                             "nats per token, {}.",
                             short_number(worst->first), worst->second),
                 shown.note};
}

namespace {

struct TailQuantile {
  double share;
  const char* name;
};
constexpr TailQuantile kTail[] = {
    {0.5, "median"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {1.0, "largest"}};

std::optional<double> quantile_of(const DivergenceResult& divergence, double share) {
  for (const Quantile& quantile : divergence.kld_quantiles) {
    if (quantile.share == share) return quantile.value;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Drawing> draw_tails(const RunReport& report) {
  ShownVariants shown = variants_with_divergence(report);
  Json values = Json::array(), names = Json::array();
  for (const TailQuantile& quantile : kTail) names.push_back(quantile.name);
  std::optional<std::pair<double, std::string>> worst;
  LogAxis axis;
  bool beside_control = false;
  for (size_t index : shown.indices) {
    const ReportVariant& variant = report.variants[index];
    for (const DivergenceResult& divergence : variant.divergences) {
      for (const TailQuantile& quantile : kTail) {
        std::optional<double> value = quantile_of(divergence, quantile.share);
        if (!value || *value <= 0) continue;
        values.push_back({{"variant", report.label(variant)},
                          {"text", report.texts.at(divergence.text).name},
                          {"quantile", quantile.name},
                          {"kld", shown_number(*value)},
                          {"line", divergence.line}});
        axis.add(*value);
        beside_control = beside_control || !variant.is_control;
        if (!worst || *value > worst->first) worst = {*value, report.label(variant)};
      }
    }
  }
  if (!beside_control) return std::nullopt;
  Json spec = chart_spec(R"json({
    "width": "container",
    "encoding": {"y": {"field": "variant", "type": "nominal", "title": null, "axis": {"grid": true, "ticks": false, "domain": false}}},
    "layer": [
      {"name": "inkline_span", "mark": {"type": "rule", "strokeWidth": 1}, "encoding": {
        "x": {"field": "kld", "type": "quantitative", "aggregate": "min"}, "x2": {"field": "kld", "aggregate": "max"}, "color": {"value": "#999"}}},
      {"mark": {"type": "point", "size": 70, "opacity": 1, "filled": true}, "encoding": {
        "x": {"field": "kld", "type": "quantitative", "title": "KL divergence of a token (nats)", "scale": {"padding": 8}},
        "color": {"field": "quantile", "type": "nominal", "title": "of the tokens",
                  "scale": {"range": ["#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00"]}},
        "shape": {"field": "quantile", "type": "nominal", "title": "of the tokens", "scale": {"range": ["circle", "diamond", "square", "triangle-up", "cross"]}},
        "tooltip": [{"field": "variant", "title": "variant"}, {"field": "text", "title": "text"}, {"field": "quantile", "title": "of the tokens"},
                    {"field": "kld", "title": "KL divergence (nats)", "format": ".4~g"}]}}
    ]})json");
  spec["height"] = shown.indices.size() * (shown.indices.size() > 30 ? 18 : 26);
  spec["encoding"]["y"]["sort"] = labels_of(report, shown);
  axis.apply_to(spec["layer"][1]["encoding"]["x"]);
  for (const char* channel : {"color", "shape"}) {
    Json& encoding = spec["layer"][1]["encoding"][channel];
    encoding["sort"] = names;
    encoding["scale"]["domain"] = names;
  }
  spec["data"] = {{"values", std::move(values)}};
  add_choice(spec, "text", "Text", text_names(report));
  return Drawing{std::move(spec),
                 {{"variant", "variant"},
                  {"text", "text"},
                  {"quantile", "of the tokens"},
                  {"kld", "KL divergence (nats)"},
                  {"line", "journal line"}},
                 fmt::format("Percentiles of the KL divergence of single tokens on a logarithmic scale. The "
                             "largest of all is {} nats, of {}.",
                             short_number(worst->first), worst->second),
                 shown.note};
}

}  // namespace fakequant::report
