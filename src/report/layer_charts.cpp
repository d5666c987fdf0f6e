// Charts of the model from layer to layer: where rounding changed how much, and what precision there is.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "report/chart_parts.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

constexpr const char* kOutsideBlocks = "other";
constexpr size_t kMostLabelled = 12;  // layers: with more, cells are too narrow for words

std::string layer_name(std::optional<size_t> layer) {
  return layer ? std::to_string(*layer) : kOutsideBlocks;
}

// What stands outside blocks is in the last column.
Json layer_order(const std::set<size_t>& layers, bool outside) {
  Json order = Json::array();
  for (size_t layer : layers) order.push_back(std::to_string(layer));
  if (outside) order.push_back(kOutsideBlocks);
  return order;
}

int cell_width(size_t columns, int labelled) {
  return columns <= kMostLabelled ? labelled : columns <= 40 ? 22 : 13;
}

// A grid of cells: layers from left to right.
Json map_spec(const Json& layers, int labelled_width, size_t rows) {
  Json spec = chart_spec(R"json({
    "encoding": {
      "x": {"field": "layer", "type": "ordinal", "title": "layer", "axis": {"labelAngle": 0, "labelOverlap": true, "ticks": false, "domain": false}},
      "y": {"field": "row", "type": "nominal", "title": null, "axis": {"ticks": false, "domain": false}}}})json");
  spec["encoding"]["x"]["sort"] = layers;
  // A gap between cells, so that they can be counted.
  for (const char* axis : {"x", "y"}) spec["encoding"][axis]["scale"] = {{"paddingInner", 0.07}};
  spec["width"] = {{"step", cell_width(layers.size(), labelled_width)}};
  spec["height"] = {{"step", rows > 30 ? 18 : 26}};
  return spec;
}

// Mean relative difference of the tensors of a role in a layer, each weighing as many values as it has.
struct ErrorCell {
  double weighted_sum = 0;
  uint64_t count = 0, changed = 0;
  double max_abs = 0;
  size_t line = 0;

  void add(const DifferenceMeasures& measures) {
    weighted_sum += measures.mean_rel.value_or(0) * static_cast<double>(measures.count);
    count += measures.count;
    changed += measures.changed_count;
    max_abs = std::max(max_abs, measures.max_abs.value_or(0));
  }
  double mean_rel() const { return count == 0 ? 0 : weighted_sum / static_cast<double>(count); }
};

struct ErrorRow {
  std::string variant, role;
  std::map<std::string, ErrorCell> cells;  // by layer
};

struct ErrorMap {
  std::vector<ErrorRow> rows;
  std::vector<std::string> variants;
  std::set<std::string> roles;
  std::set<size_t> layers;
  bool outside = false;
};

ErrorMap error_map(const RunReport& report) {
  ErrorMap map;
  // The control, which has rows for all roles, stands below what was asked for.
  std::vector<const ReportVariant*> ordered = own_variants(report);
  for (const ReportVariant& variant : report.variants) {
    if (variant.is_control) ordered.push_back(&variant);
  }
  for (const ReportVariant* each : ordered) {
    const ReportVariant& variant = *each;
    if (!variant.difference || map.variants.size() == kMostRows) continue;
    // The control's name says what it rounds; here that is what the rows say.
    std::string label = variant.is_control && report.models.size() < 2 ? "control" : report.label(variant);
    std::map<std::string, size_t> row_of_role;
    for (const TensorDifference& tensor : variant.difference->tensors) {
      auto [place, is_new] = row_of_role.emplace(tensor.role, map.rows.size());
      if (is_new) map.rows.push_back({label, tensor.role, {}});
      ErrorCell& cell = map.rows[place->second].cells[layer_name(tensor.layer)];
      cell.add(tensor.measures);
      cell.line = variant.difference->line;
      if (tensor.layer) map.layers.insert(*tensor.layer);
      map.outside = map.outside || !tensor.layer;
      map.roles.insert(tensor.role);
    }
    if (!row_of_role.empty()) map.variants.push_back(label);
  }
  return map;
}

constexpr size_t kMostMapRows = 24;  // with more, a variant is chosen

// Rows are named by what tells them apart.
std::string row_name(const ErrorMap& map, const ErrorRow& row) {
  if (map.variants.size() < 2 || map.rows.size() > kMostMapRows) return row.role;
  return map.roles.size() < 2 ? row.variant : fmt::format("{} · {}", row.variant, row.role);
}

Json error_spec(const Json& layers, size_t rows) {
  Json spec = map_spec(layers, 48, rows);
  spec["encoding"]["tooltip"] =
      chart_spec(R"json([{"field": "variant", "title": "variant"}, {"field": "role", "title": "role"},
    {"field": "layer", "title": "layer"}, {"field": "percent", "title": "mean relative difference (%)", "format": ".3~g"},
    {"field": "max_abs", "title": "largest absolute difference", "format": ".3~g"}, {"field": "changed", "title": "values changed", "format": ","},
    {"field": "count", "title": "of", "format": ","}])json");
  spec["layer"] = chart_spec(R"json([
    {"transform": [{"filter": "datum.percent > 0"}], "mark": {"type": "rect"},
     "encoding": {"color": {"field": "percent", "type": "quantitative", "title": "mean relative difference (%)"}}},
    {"transform": [{"filter": "datum.percent <= 0"}], "mark": {"type": "rect", "color": "#8C8C8C", "opacity": 0.3}}])json");
  if (layers.size() > kMostLabelled) return spec;
  spec["layer"].push_back(chart_spec(
      R"json({"transform": [{"filter": "datum.percent > 0"}], "mark": {"type": "text", "fontSize": 11},
    "encoding": {"text": {"field": "percent", "format": ".2~g"}, "color": {"condition": {"test": "datum.bright", "value": "#000"}, "value": "#fff"}}})json"));
  spec["layer"].push_back(
      chart_spec(R"json({"name": "ink_zero", "transform": [{"filter": "datum.percent <= 0"}],
    "mark": {"type": "text", "fontSize": 11, "fill": "#333"}, "encoding": {"text": {"value": "0"}}})json"));
  return spec;
}

}  // namespace

std::optional<Drawing> draw_error_map(const RunReport& report) {
  ErrorMap map = error_map(report);
  if (map.rows.empty()) return std::nullopt;
  double low = 0, high = 0;
  std::string worst;
  for (const ErrorRow& row : map.rows) {
    for (const auto& [layer, cell] : row.cells) {
      double value = cell.mean_rel();
      if (value > 0 && (low == 0 || value < low)) low = value;
      if (value > high) {
        high = value;
        worst = fmt::format("{} of layer {} in {}, {} %", row.role, layer, row.variant,
                            short_number(100 * value));
      }
    }
  }
  Json values = Json::array(), order = Json::array();
  for (const ErrorRow& row : map.rows) {
    std::string name = row_name(map, row);
    if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
    for (const auto& [layer, cell] : row.cells) {
      values.push_back({{"row", name},
                        {"variant", row.variant},
                        {"role", row.role},
                        {"layer", layer},
                        {"percent", shown_number(100 * cell.mean_rel())},
                        {"max_abs", shown_number(cell.max_abs)},
                        {"changed", cell.changed},
                        {"count", cell.count},
                        {"bright", cell.mean_rel() * cell.mean_rel() > low * high},
                        {"line", cell.line}});
    }
  }
  bool chosen = map.rows.size() > kMostMapRows;
  Json spec = error_spec(layer_order(map.layers, map.outside), order.size());
  LogAxis scale;
  scale.add(100 * low);
  scale.add(100 * high);
  Json& color = spec["layer"][0]["encoding"]["color"];
  scale.color(color);
  if (worst.empty()) color["legend"] = nullptr;
  spec["encoding"]["y"]["sort"] = order;
  spec["data"] = {{"values", std::move(values)}};
  if (chosen) add_choice(spec, "variant", "Variant", map.variants);
  std::string alt = fmt::format("Heat map of mean relative differences, {} by {}. ",
                                counted(map.variants.size(), "variant"), counted(map.layers.size(), "layer"));
  alt += worst.empty() ? "Not one weight changed." : fmt::format("Largest: {}.", worst);
  return Drawing{std::move(spec),
                 {{"variant", "variant"},
                  {"role", "role"},
                  {"layer", "layer"},
                  {"percent", "mean relative difference (%)"},
                  {"max_abs", "largest absolute difference"},
                  {"changed", "values changed"},
                  {"count", "values"},
                  {"line", "journal line"}},
                 std::move(alt)};
}

namespace {

// From the fewest values that a format holds to the most; quantized types, each its own, come behind.
constexpr std::array kPrecisions = {"constant", "e2m1",   "e2m3", "e3m2", "e4m3", "e5m2",
                                    "bf16",     "bf16+1", "f16",  "tf32", "f32"};

struct PrecisionCell {
  std::set<std::string> stored, effective;
  size_t tensors = 0;
  bool wider = false;  // stored in more than it needs

  void add(const InspectedTensor& tensor) {
    stored.insert(tensor.type);
    effective.insert(lower(tensor.effective_precision));
    ++tensors;
    wider = wider || lower(tensor.type) != lower(tensor.effective_precision);
  }
};

std::string joined(const std::set<std::string>& names) {
  return join({names.begin(), names.end()}, ", ");
}

Json precision_order(const Json& values) {
  std::set<std::string> present;
  for (const Json& row : values) present.insert(row["effective"]);
  Json order = Json::array();
  for (const char* name : kPrecisions) {
    if (present.erase(name) > 0) order.push_back(name);
  }
  for (const std::string& name : present) order.push_back(name);
  return order;
}

struct PrecisionMap {
  Json values = Json::array();
  std::vector<std::string> models, roles;
  std::set<size_t> layers;
  bool outside = false;
  size_t tensors = 0, wider = 0;
};

PrecisionMap precision_map(const RunReport& report) {
  PrecisionMap map;
  for (const ReportModel& model : report.models) {
    if (!model.inspection || model.inspection->tensors.empty()) continue;
    map.models.push_back(model.name);
    std::map<std::pair<std::string, std::string>, PrecisionCell> cells;
    for (const InspectedTensor& tensor : model.inspection->tensors) {
      cells[{tensor.role, layer_name(tensor.layer)}].add(tensor);
      ++map.tensors;
      map.wider += lower(tensor.type) != lower(tensor.effective_precision) ? 1 : 0;
      if (tensor.layer) map.layers.insert(*tensor.layer);
      map.outside = map.outside || !tensor.layer;
      if (std::find(map.roles.begin(), map.roles.end(), tensor.role) == map.roles.end())
        map.roles.push_back(tensor.role);
    }
    for (const auto& [place, cell] : cells) {
      map.values.push_back({{"model", model.name},
                            {"row", place.first},
                            {"layer", place.second},
                            {"stored", joined(cell.stored)},
                            {"effective", joined(cell.effective)},
                            {"tensors", cell.tensors},
                            {"wider", cell.wider},
                            {"line", model.inspection->line}});
    }
  }
  return map;
}

}  // namespace

std::optional<Drawing> draw_precision_map(const RunReport& report) {
  PrecisionMap map = precision_map(report);
  if (map.values.empty()) return std::nullopt;
  Json layers = layer_order(map.layers, map.outside);
  Json spec = map_spec(layers, 62, map.roles.size());
  Json order = precision_order(map.values);
  spec["encoding"]["y"]["sort"] = map.roles;
  spec["encoding"]["tooltip"] =
      chart_spec(R"json([{"field": "row", "title": "role"}, {"field": "layer", "title": "layer"},
    {"field": "stored", "title": "stored as"}, {"field": "effective", "title": "effective precision"}, {"field": "tensors", "title": "tensors"}])json");
  spec["layer"] = chart_spec(R"json([
    {"mark": {"type": "rect", "strokeWidth": 2}, "encoding": {
      "color": {"field": "effective", "type": "ordinal", "title": "effective precision", "scale": {"scheme": "viridis"}},
      "stroke": {"condition": {"test": "datum.wider", "value": "#E69F00"}, "value": "transparent"}}}])json");
  spec["layer"][0]["encoding"]["color"]["scale"]["domain"] = order;
  if (layers.size() <= kMostLabelled) {
    spec["layer"].push_back(
        chart_spec(R"json({"mark": {"type": "text", "fontSize": 11, "limit": 58}, "encoding": {
      "text": {"field": "effective"}, "color": {"value": "#fff"}}})json"));
    // Viridis is bright in its upper half.
    Json bright = Json::array();
    for (size_t i = 0; i < order.size(); ++i) {
      if (order.size() > 1 && 2 * i > order.size() - 1) bright.push_back(order[i]);
    }
    spec["layer"][1]["encoding"]["color"]["condition"] = {
        {"test", {{"field", "effective"}, {"oneOf", bright}}}, {"value", "#000"}};
  }
  spec["data"] = {{"values", std::move(map.values)}};
  add_choice(spec, "model", "Model", map.models);
  std::string alt = fmt::format(
      "Map of effective precision, role by layer: {} hold less precision than they are stored in.",
      map.wider == 0 ? "no tensors" : fmt::format("{} of {}", map.wider, counted(map.tensors, "tensor")));
  return Drawing{std::move(spec),
                 {{"model", "model"},
                  {"row", "role"},
                  {"layer", "layer"},
                  {"stored", "stored as"},
                  {"effective", "effective precision"},
                  {"tensors", "tensors"},
                  {"line", "journal line"}},
                 std::move(alt)};
}

}  // namespace fakequant::report
