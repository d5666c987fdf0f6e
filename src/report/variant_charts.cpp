// Charts with one row or point for each variant: perplexity, divergence, and divergence against size.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart_parts.h"
#include "report/judgement.h"

namespace fakequant::report {
namespace {

// An estimate as a chart shows it: two standard errors to either side.
struct Span {
  double value, low, high;
};

std::optional<Span> span_of(const Estimate& estimate) {
  if (!estimate.value) return std::nullopt;
  double reach = 2 * estimate.error().value_or(0);
  return Span{*estimate.value, *estimate.value - reach, *estimate.value + reach};
}

// ln of a ratio of perplexities as a change in percent.
double percent_change(double ln_ratio) {
  return 100 * std::expm1(ln_ratio);
}

std::string percent_words(const Span& ln_ratio) {
  return fmt::format("{} % (from {} % to {} %)", signed_number(percent_change(ln_ratio.value)),
                     signed_number(percent_change(ln_ratio.low)),
                     signed_number(percent_change(ln_ratio.high)));
}

// The row of a variant and text that every chart here starts with.
Json row_of(const RunReport& report, const ReportVariant& variant, const DivergenceResult& divergence) {
  return {{"variant", report.label(variant)},
          {"what", variant.what},
          {"text", report.texts.at(divergence.text).name},
          {"control", variant.is_control},
          {"line", divergence.line}};
}

// Calls take(variant, divergence) for what a chart shows, in order.
template <typename Take>
void for_each_divergence(const RunReport& report, const ShownVariants& shown, const Take& take) {
  for (size_t index : shown.indices) {
    for (const DivergenceResult& divergence : report.variants[index].divergences)
      take(report.variants[index], divergence);
  }
}

Json labels_in_order(const RunReport& report, const ShownVariants& shown) {
  Json labels = Json::array();
  for (size_t index : shown.indices) labels.push_back(report.label(report.variants[index]));
  return labels;
}

// Several texts: one colour and a place of its own in the row for each.
void tell_texts_apart(const RunReport& report, Json& encoding) {
  std::vector<size_t> texts = measured_texts(report);
  if (texts.size() < 2) {
    encoding["color"] = {{"condition", {{"test", "datum.control"}, {"value", "#8C8C8C"}}},
                         {"value", "#0072B2"}};
    return;
  }
  Json names = Json::array();
  for (size_t text : texts) names.push_back(report.texts[text].name);
  encoding["color"] = {{"field", "text"},
                       {"type", "nominal"},
                       {"title", "text"},
                       {"sort", names},
                       {"scale", {{"domain", names}}}};
  encoding["yOffset"] = {
      {"field", "text"}, {"type", "nominal"}, {"sort", names}, {"scale", {{"domain", names}}}};
}

// Dots with lines over variants, top to bottom in the order of the plan.
Json dots_with_errors(const RunReport& report, const ShownVariants& shown, Json x, const Json& tooltip) {
  Json spec = chart_spec(R"json({
    "width": "container",
    "encoding": {"y": {"field": "variant", "type": "nominal", "title": null, "axis": {"grid": true, "ticks": false, "domain": false}}},
    "layer": [
      {"mark": {"type": "rule", "strokeWidth": 2.5, "strokeCap": "round"}, "encoding": {"x2": {"field": "high"}}},
      {"mark": {"type": "point", "size": 70, "opacity": 1}, "encoding": {}}
    ]})json");
  size_t rows = shown.indices.size(), texts = measured_texts(report).size();
  spec["height"] = rows * (texts > 1 ? 12 * texts + 8 : rows > 30 ? 20 : 28);
  Json& encoding = spec["encoding"];
  encoding["y"]["sort"] = labels_in_order(report, shown);
  encoding["tooltip"] = tooltip;
  tell_texts_apart(report, encoding);
  Json dots = x;
  dots["field"] = "value";
  x["field"] = "low";
  spec["layer"][0]["encoding"]["x"] = std::move(x);
  spec["layer"][1]["encoding"]["x"] = std::move(dots);
  return spec;
}

// The vertical line where nothing changed, under everything else.
Json zero_line() {
  return chart_spec(
      R"json({"name": "inkline_zero", "data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "strokeWidth": 1},
    "encoding": {"x": {"field": "zero", "type": "quantitative"}, "y": null, "yOffset": null, "color": {"value": "#888"}, "tooltip": null}})json");
}

// Over one text: as far as rounding noise reaches. None where the control is beyond noise itself.
std::optional<Json> control_band(const RunReport& report, const ShownVariants& shown) {
  std::optional<Json> band;
  for_each_divergence(report, shown, [&](const ReportVariant& variant, const DivergenceResult& divergence) {
    std::optional<Span> span = span_of(divergence.ln_ppl_ratio);
    if (band || !variant.is_control || !span || !measures_noise(divergence) ||
        measured_texts(report).size() > 1 || report.models.size() > 1)
      return;
    band = chart_spec(R"json({"name": "inkband_control", "mark": {"type": "rect", "opacity": 0.16},
      "encoding": {"x": {"field": "from", "type": "quantitative"}, "x2": {"field": "to"}, "y": null, "yOffset": null,
                   "color": {"value": "#666"}, "tooltip": {"value": "the control, within two standard errors"}}})json");
    (*band)["data"] = {
        {"values", Json::array({{{"from", percent_change(span->low)}, {"to", percent_change(span->high)}}})}};
  });
  return band;
}

// The variants with the least and the greatest of a number, in words.
class Extremes {
 public:
  void add(double value, std::string words) {
    if (count_++ == 0 || value < low_) low_ = value, low_words_ = words;
    if (count_ == 1 || value > high_) high_ = value, high_words_ = std::move(words);
  }
  size_t count() const { return count_; }
  std::string text() const {
    return count_ < 2 ? low_words_ + "." : fmt::format("Lowest: {}. Highest: {}.", low_words_, high_words_);
  }

 private:
  size_t count_ = 0;
  double low_ = 0, high_ = 0;
  std::string low_words_, high_words_;
};

std::string name_of(const Json& row, const RunReport& report) {
  std::string name = row["variant"];
  return measured_texts(report).size() < 2 ? name
                                           : fmt::format("{} on {}", name, row["text"].get<std::string>());
}

}  // namespace

std::optional<Drawing> draw_perplexity(const RunReport& report) {
  ShownVariants shown = variants_with_divergence(report);
  Json values = Json::array();
  Extremes extremes;
  for_each_divergence(report, shown, [&](const ReportVariant& variant, const DivergenceResult& divergence) {
    std::optional<Span> span = span_of(divergence.ln_ppl_ratio);
    if (!span) return;
    Json row = row_of(report, variant, divergence);
    row["value"] = shown_number(percent_change(span->value));
    row["low"] = shown_number(percent_change(span->low));
    row["high"] = shown_number(percent_change(span->high));
    row["perplexity"] = json_number(divergence.perplexity.value);
    row["baseline"] = json_number(divergence.baseline_perplexity.value);
    extremes.add(span->value, fmt::format("{}, {}", name_of(row, report), percent_words(*span)));
    values.push_back(std::move(row));
  });
  if (values.empty()) return std::nullopt;
  Json spec = dots_with_errors(
      report, shown,
      {{"type", "quantitative"},
       {"title", "change of perplexity (%)"},
       {"axis", {{"tickCount", 7}, {"labelExpr", "datum.value === 0 ? '0' : format(datum.value, '+~g')"}}}},
      chart_spec(R"json([
    {"field": "variant", "title": "variant"}, {"field": "what", "title": "what"}, {"field": "text", "title": "text"},
    {"field": "value", "title": "change (%)", "format": "+.3~g"}, {"field": "low", "title": "two standard errors from (%)", "format": "+.3~g"},
    {"field": "high", "title": "to (%)", "format": "+.3~g"}, {"field": "perplexity", "title": "perplexity", "format": ".6~g"},
    {"field": "baseline", "title": "of the baseline", "format": ".6~g"}])json"));
  spec["data"] = {{"values", std::move(values)}};
  Json& layers = spec["layer"];
  layers.insert(layers.begin(), zero_line());
  if (std::optional<Json> band = control_band(report, shown)) layers.insert(layers.begin(), *band);
  return Drawing{
      std::move(spec),
      {{"variant", "variant"},
       {"text", "text"},
       {"value", "change of perplexity (%)"},
       {"low", "two standard errors below"},
       {"high", "two standard errors above"},
       {"perplexity", "perplexity"},
       {"baseline", "of the baseline"},
       {"line", "journal line"}},
      fmt::format("Changes of perplexity with error bars, {} rows. {}", extremes.count(), extremes.text()),
      shown.note};
}

std::optional<Drawing> draw_divergence(const RunReport& report) {
  ShownVariants shown = variants_with_divergence(report);
  Json values = Json::array();
  Extremes extremes;
  LogAxis axis;
  size_t positive = 0;
  for_each_divergence(report, shown, [&](const ReportVariant& variant, const DivergenceResult& divergence) {
    std::optional<Span> span = span_of(divergence.kld_mean);
    if (!span) return;
    Json row = row_of(report, variant, divergence);
    row["value"] = shown_number(span->value);
    // A logarithm has no place for what reaches zero: such a line ends a tenth below its dot.
    row["low"] = shown_number(std::max(span->low, span->value / 10));
    row["high"] = shown_number(span->high);
    row["error"] = json_number(divergence.kld_mean.error());
    axis.add(row["low"].get<double>());
    axis.add(span->high);
    positive += span->value > 0 ? 1 : 0;
    extremes.add(span->value, fmt::format("{}, {}", name_of(row, report), short_number(span->value)));
    values.push_back(std::move(row));
  });
  if (positive == 0) return std::nullopt;
  Json x = {{"type", "quantitative"},
            {"title", "mean KL divergence (nats per token)"},
            {"scale", {{"padding", 8}}}};
  axis.apply_to(x);
  Json spec = dots_with_errors(report, shown, x, chart_spec(R"json([
    {"field": "variant", "title": "variant"}, {"field": "what", "title": "what"}, {"field": "text", "title": "text"},
    {"field": "value", "title": "mean KL divergence (nats per token)", "format": ".4~g"},
    {"field": "error", "title": "standard error", "format": ".2~g"}])json"));
  for (Json& layer : spec["layer"]) layer["transform"] = Json::array({{{"filter", "datum.value > 0"}}});
  // Nothing at all is no number on this scale: said in words at its begin.
  spec["layer"].push_back(
      chart_spec(R"json({"name": "ink_zero", "transform": [{"filter": "datum.value <= 0"}],
    "mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"x": {"value": 0}, "text": {"value": "0: the same to the last bit"},
    "color": {"value": "#333"}}})json"));
  spec["data"] = {{"values", std::move(values)}};
  return Drawing{std::move(spec),
                 {{"variant", "variant"},
                  {"text", "text"},
                  {"value", "mean KL divergence (nats per token)"},
                  {"error", "standard error"},
                  {"line", "journal line"}},
                 fmt::format("Mean KL divergences with error bars on a logarithmic scale, {} rows. {}",
                             extremes.count(), extremes.text()),
                 shown.note};
}

namespace {

struct SizedVariant {
  double bits_per_weight;
  double divergence;
  Json row;
};

// Marks those that no other is better than in one and at least as good as in the other; in the order of size.
std::vector<SizedVariant> with_frontier(std::vector<SizedVariant> variants) {
  std::stable_sort(variants.begin(), variants.end(), [](const SizedVariant& a, const SizedVariant& b) {
    return std::pair(a.bits_per_weight, a.divergence) < std::pair(b.bits_per_weight, b.divergence);
  });
  std::optional<double> best;
  for (SizedVariant& variant : variants) {
    bool first = !best || variant.divergence < *best;
    variant.row["frontier"] = first;
    if (first) best = variant.divergence;
  }
  return variants;
}

std::vector<SizedVariant> sized_variants(const RunReport& report, size_t text) {
  std::vector<SizedVariant> sized;
  ShownVariants all;
  // The control answers another question: it is no way to make the model smaller.
  for (size_t i = 0; i < report.variants.size(); ++i) {
    if (!report.variants[i].is_control) all.indices.push_back(i);
  }
  for_each_divergence(report, all, [&](const ReportVariant& variant, const DivergenceResult& divergence) {
    std::optional<double> kld = divergence.kld_mean.value;
    if (divergence.text != text || !variant.model_bits || variant.model_bits->weights == 0 || !kld ||
        *kld <= 0)
      return;
    Json row = row_of(report, variant, divergence);
    row["bits"] = shown_number(variant.model_bits->per_weight());
    row["kld"] = shown_number(*kld);
    sized.push_back({variant.model_bits->per_weight(), *kld, std::move(row)});
  });
  return with_frontier(std::move(sized));
}

// Gives each point a name beside it, and those whose name would cover another's none: the first in the order of size have theirs.
void name_points(std::vector<SizedVariant>& variants) {
  constexpr double kWidth = 0.2, kHeight = 0.045;  // of a name, as shares of the chart
  double low = variants.front().bits_per_weight, high = variants.back().bits_per_weight;
  auto [least, most] = std::minmax_element(
      variants.begin(), variants.end(),
      [](const SizedVariant& a, const SizedVariant& b) { return a.divergence < b.divergence; });
  double bottom = std::log(least->divergence), top = std::log(most->divergence);
  std::vector<std::pair<double, double>> named;
  for (SizedVariant& variant : variants) {
    double x = high > low ? (variant.bits_per_weight - low) / (high - low) : 0;
    double y = top > bottom ? (std::log(variant.divergence) - bottom) / (top - bottom) : 0;
    bool covers = std::any_of(named.begin(), named.end(), [&](const std::pair<double, double>& other) {
      return std::abs(other.first - x) < kWidth && std::abs(other.second - y) < kHeight;
    });
    variant.row["name"] = covers ? "" : variant.row["variant"].get<std::string>();
    variant.row["name_left"] = x > 0.8;
    if (!covers) named.emplace_back(x, y);
  }
}

}  // namespace

std::optional<Drawing> draw_frontier(const RunReport& report) {
  Json values = Json::array();
  std::vector<std::string> texts, on_frontier;
  LogAxis axis;
  bool sizes_differ = false;
  size_t most = 0;
  for (size_t text : measured_texts(report)) {
    std::vector<SizedVariant> sized = sized_variants(report, text);
    if (sized.empty()) continue;
    sizes_differ = sizes_differ || sized.back().bits_per_weight - sized.front().bits_per_weight > 0.05;
    most = std::max(most, sized.size());
    name_points(sized);
    for (SizedVariant& variant : sized) {
      axis.add(variant.divergence);
      if (texts.empty() && variant.row["frontier"].get<bool>()) on_frontier.push_back(variant.row["variant"]);
      values.push_back(std::move(variant.row));
    }
    texts.push_back(report.texts[text].name);
  }
  if (!sizes_differ || most < 3) return std::nullopt;
  Json spec = chart_spec(R"json({
    "width": "container", "height": 320,
    "encoding": {
      "x": {"field": "bits", "type": "quantitative", "title": "bits per weight of the whole model", "scale": {"zero": false, "padding": 24, "nice": false}, "axis": {"tickCount": 8}},
      "y": {"field": "kld", "type": "quantitative", "title": "mean KL divergence (nats per token)",
            "scale": {"padding": 16}},
      "tooltip": [{"field": "variant", "title": "variant"}, {"field": "what", "title": "what"}, {"field": "text", "title": "text"},
                  {"field": "bits", "title": "bits per weight", "format": ".4~f"},
                  {"field": "kld", "title": "mean KL divergence (nats per token)", "format": ".4~g"}]},
    "layer": [
      {"transform": [{"filter": "datum.frontier"}], "mark": {"type": "line", "interpolate": "step-after", "color": "#D55E00", "strokeWidth": 1.5}},
      {"mark": {"type": "point", "size": 80, "opacity": 1},
       "encoding": {"color": {"condition": {"test": "datum.frontier", "value": "#D55E00"}, "value": "#8C8C8C"}}}
    ]})json");
  axis.apply_to(spec["encoding"]["y"]);
  spec["layer"].push_back(chart_spec(R"json({"name": "ink_names",
    "mark": {"type": "text", "align": {"expr": "datum.name_left ? 'right' : 'left'"}, "dx": {"expr": "datum.name_left ? -8 : 8"}, "dy": -7, "limit": 150},
    "encoding": {"text": {"field": "name"}}})json"));
  spec["data"] = {{"values", std::move(values)}};
  add_choice(spec, "text", "Text", texts);
  std::string best;
  for (size_t i = 0; i < on_frontier.size(); ++i)
    best += (i == 0 ? "" : i + 1 == on_frontier.size() ? " and " : ", ") + on_frontier[i];
  return Drawing{std::move(spec),
                 {{"variant", "variant"},
                  {"text", "text"},
                  {"bits", "bits per weight of the model"},
                  {"kld", "mean KL divergence (nats per token)"},
                  {"frontier", "on the frontier"},
                  {"line", "journal line"}},
                 fmt::format("Scatter plot of KL divergence on a logarithmic scale against bits per weight. "
                             "On {}, no variant beats {}, "
                             "in the order of size.",
                             texts.front(), best)};
}

}  // namespace fakequant::report
