#include "experiment/config_variants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "select/rule_tables.h"

namespace fakequant {
namespace {

// A key that may vary, and what its value is called in names: "layers 0-2".
struct AxisKey {
  std::string_view key;
  std::string (*phrase)(const std::string& value);
};

std::string itself(const std::string& value) {
  return value;
}

std::string layers_phrase(const std::string& value) {
  if (value == "all") return "all layers";
  bool one = value.find_first_not_of("0123456789") == std::string::npos;
  return (one ? "layer " : "layers ") + value;
}

std::string file_phrase(const std::string& value) {
  return std::filesystem::path(value).stem().string();
}

constexpr std::array<AxisKey, 8> kAxisKeys = {{
    {"tensors", itself},
    {"layers", layers_phrase},
    {"format", itself},
    {"store", [](const std::string& value) { return "stored as " + value; }},
    {"recipe", file_phrase},
    {"model", itself},
    {"cache_k", [](const std::string& value) { return "K " + value; }},
    {"cache_v", [](const std::string& value) { return "V " + value; }},
}};

const AxisKey* find_axis_key(std::string_view key) {
  auto found = std::ranges::find_if(kAxisKeys, [&](const AxisKey& row) { return row.key == key; });
  return found == kAxisKeys.end() ? nullptr : &*found;
}

std::vector<std::string> axis_key_names() {
  std::vector<std::string> names;
  for (const AxisKey& row : kAxisKeys) names.emplace_back(row.key);
  return names;
}

// Keys that say what a variant changes; at most one of these ways.
struct Way {
  std::string_view key;                    // whose presence chooses it
  std::vector<std::string_view> excluded;  // what has no meaning beside it
};

const std::vector<Way>& ways() {
  static const std::vector<Way> kWays = {
      {"model", {"recipe", "rule", "tensors", "layers", "format", "store", "skip_unfit", "missing_layers"}},
      {"recipe", {"rule", "tensors", "layers", "format"}},
      {"rule", {"tensors", "layers", "format"}},
  };
  return kWays;
}

// The parts of a name between "{" and "}"; of each its begin and length, braces included.
struct Placeholder {
  size_t begin;
  size_t length;
  std::string key;
};

std::vector<Placeholder> placeholders(const std::string& name) {
  std::vector<Placeholder> found;
  for (size_t begin = name.find('{'); begin != std::string::npos; begin = name.find('{', begin + 1)) {
    size_t end = name.find('}', begin);
    if (end == std::string::npos) break;
    found.push_back({begin, end - begin + 1, name.substr(begin + 1, end - begin - 1)});
  }
  return found;
}

TensorType cache_type(const std::string& name) {
  return tensor_type_from_name(name).value();  // the table of keys has checked it
}

}  // namespace

struct VariantReader::Axis {
  const AxisKey* key;
  const std::vector<ConfigValue>* values;
  bool is_list;
};

bool VariantReader::check_together(const ConfigTableReader& table) const {
  for (const Way& way : ways()) {
    if (!table.has(way.key)) continue;
    bool alone = true;
    for (std::string_view key : way.excluded) {
      if (!table.has(key)) continue;
      table.report(table.line_of(key),
                   fmt::format("{} and {} exclude each other; leave one out", way.key, key));
      alone = false;
    }
    return alone;
  }
  bool selects = table.has("tensors") || table.has("layers");
  if (selects && !table.has("format")) {
    table.report(table.line(), "no format; write format = \"bf16\"");
    return false;
  }
  if (table.has("format") && !selects) {
    table.report(table.line_of("format"),
                 "no tensors; write tensors = \"ffn_norm\", or \"all\" for every tensor");
    return false;
  }
  if (!table.has("format")) {
    for (std::string_view key : {"store", "skip_unfit", "missing_layers"}) {
      if (table.has(key))
        table.report(table.line_of(key), fmt::format("{} is for variants that round weights", key));
    }
    if (!table.has("cache_k") && !table.has("cache_v")) {
      table.report(table.line(),
                   "changes nothing; write tensors and format, or recipe, [[stage.variant.rule]], model, "
                   "cache_k or cache_v");
      return false;
    }
  }
  return true;
}

void VariantReader::check_placeholders(const ConfigTableReader& table) const {
  for (const Placeholder& found : placeholders(table.text("name").value_or(""))) {
    if (find_axis_key(found.key) == nullptr) {
      table.report(table.line_of("name"),
                   fmt::format("name: '{{{}}}' stands for nothing, wanted one of {}{}", excerpt(found.key),
                               join(axis_key_names(), ", "), did_you_mean(found.key, axis_key_names())));
    } else if (!table.has(found.key)) {
      table.report(table.line_of("name"),
                   fmt::format("name: there is no {} that '{{{}}}' could stand for", found.key, found.key));
    }
  }
}

const std::vector<Rule>* VariantReader::recipe_rules(const ConfigTableReader& table,
                                                     const ConfigValue& file) {
  auto known = recipes_.find(file.text());
  if (known == recipes_.end()) {
    known = recipes_.emplace(file.text(), std::vector<Rule>()).first;
    try {
      known->second = load_recipe(files_.other(file.text())).rules;
    } catch (const Error& error) {
      for (const std::string& line : split(error.what(), '\n'))
        table.report(file.line, fmt::format("recipe: {}", line));
    }
  }
  return &known->second;
}

namespace {

// The value that one key of a variant has.
struct ChosenValue {
  const AxisKey* key;
  const ConfigValue* value;
  bool varies;
};

std::string phrases(const std::vector<ChosenValue>& chosen, bool varying_alone) {
  std::vector<std::string> parts;
  for (const ChosenValue& one : chosen) {
    if (one.varies || !varying_alone) parts.push_back(one.key->phrase(one.value->text()));
  }
  return join(parts, ", ");
}

std::string filled(std::string name, const std::vector<ChosenValue>& chosen) {
  std::vector<Placeholder> found = placeholders(name);
  for (auto place = found.rbegin(); place != found.rend(); ++place) {
    for (const ChosenValue& one : chosen) {
      if (place->key == one.key->key) name.replace(place->begin, place->length, one.value->text());
    }
  }
  return name;
}

// `given` is what the file says, "" for nothing.
std::string variant_name(const std::string& given, const std::vector<ChosenValue>& chosen, bool only_table) {
  bool any_varies = std::ranges::any_of(chosen, &ChosenValue::varies);
  if (given.empty()) return phrases(chosen, only_table && any_varies);
  if (!placeholders(given).empty()) return filled(given, chosen);
  return any_varies ? fmt::format("{}: {}", given, phrases(chosen, true)) : given;
}

// The rule that tensors, layers and format make.
Rule only_rule(const ConfigVariant& variant) {
  Rule rule;
  rule.name = variant.name;
  if (!variant.tensors.empty()) rule.tensors = TensorSelection::parse(variant.tensors);
  if (!variant.layers.empty()) rule.layers = LayerSelection::parse(variant.layers);
  rule.format = parse_format(variant.format);
  return rule;
}

}  // namespace

void VariantReader::set(ConfigVariant& variant, std::string_view key, const ConfigValue& value,
                        const ConfigTableReader& table) {
  const std::string& text = value.text();
  if (key == "tensors") variant.tensors = text;
  if (key == "layers") variant.layers = text;
  if (key == "format") variant.format = text;
  if (key == "store") variant.store = parse_store(text);
  if (key == "cache_k") variant.cache_k = cache_type(text);
  if (key == "cache_v") variant.cache_v = cache_type(text);
  if (key == "recipe") {
    variant.recipe_file = text;
    variant.rules = *recipe_rules(table, value);
  }
  if (key != "model") return;
  try {
    variant.model = ConfigModel{text, files_.model(text), {value.line}};
  } catch (const Error& error) {
    table.report(value.line, fmt::format("model: {}", error.what()));
  }
}

ConfigVariant VariantReader::make(const ConfigTableReader& table, const std::vector<Axis>& axes,
                                  const std::vector<size_t>& chosen) {
  ConfigVariant variant;
  variant.place.line = table.line();
  variant.skip_unfit = table.flag("skip_unfit").value_or(false);
  if (table.text("missing_layers") == "skip") variant.missing_layers = MissingLayers::skip;
  std::vector<ChosenValue> values;
  for (size_t i = 0; i < axes.size(); ++i) {
    const ConfigValue& value = (*axes[i].values)[chosen[i]];
    values.push_back({axes[i].key, &value, axes[i].is_list});
    if (axes[i].is_list) variant.place.line = value.line;
    set(variant, axes[i].key->key, value, table);
  }
  variant.name = variant_name(table.text("name").value_or(""), values, only_table_);
  if (!variant.format.empty()) variant.rules.push_back(only_rule(variant));
  return variant;
}

std::vector<ConfigVariant> VariantReader::read(const toml::table& node, const std::string& place) {
  ConfigTableReader table(node, "variant", place, problems_);
  bool complete = check_together(table);
  check_placeholders(table);
  std::vector<Rule> rules;
  if (const toml::node* list = table.find("rule")) rules = read_rules(*list, problems_);
  std::vector<Axis> axes;
  double count = 1;
  for (const std::string& name : table.keys_in_order()) {
    const AxisKey* key = find_axis_key(name);
    if (key == nullptr) continue;
    axes.push_back({key, &table.values(name), table.is_list(name)});
    count *= static_cast<double>(axes.back().values->size());
  }
  if (count > static_cast<double>(kMaxVariants)) {
    table.report(table.line(), fmt::format("found {:.0f} combinations, wanted at most {}", count,
                                           format_count(kMaxVariants)));
    return {};
  }
  std::vector<ConfigVariant> variants;
  if (!complete) return variants;
  for (size_t number = 0; number < static_cast<size_t>(count); ++number) {
    std::vector<size_t> chosen(axes.size());
    size_t rest = number;
    for (size_t i = axes.size(); i-- > 0;) {
      chosen[i] = rest % axes[i].values->size();
      rest /= axes[i].values->size();
    }
    variants.push_back(make(table, axes, chosen));
    if (!rules.empty()) variants.back().rules = rules;
    if (variants.back().name.empty()) {
      table.report(table.line(),
                   "no name; write name = \"...\": there is nothing that it could be made from");
      return {};
    }
  }
  return variants;
}

}  // namespace fakequant
