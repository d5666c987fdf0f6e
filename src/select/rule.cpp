#include "select/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "select/rule_tables.h"

namespace fakequant {
namespace {

struct StoreName {
  Store store;
  std::string_view name;
};

constexpr std::array<StoreName, 6> kStores = {{
    {Store::keep, "keep"},
    {Store::automatic, "auto"},
    {Store::f32, "f32"},
    {Store::f16, "f16"},
    {Store::bf16, "bf16"},
    {Store::narrow, "narrow"},
}};

// Hands the string under `key`, if there is one, to `use`, whose Error becomes a problem of its line.
template <typename Use>
void read_string(const toml::table& table, std::string_view key, const std::string& place,
                 TomlProblems& problems, const Use& use) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  std::string text;
  try {
    text = text_of(*node);
  } catch (const Error& error) {
    problems.report(line_of(*node), fmt::format("{}{}: {}{}", place, key, error.what(),
                                                key == "layers" ? ", such as \"0-2\"" : ""));
    return;
  }
  try {
    use(text);
  } catch (const Error& error) {
    problems.report(line_of(*node), fmt::format("{}{}", place, error.what()));
  }
}

Rule read_rule(const toml::table& table, size_t number, TomlProblems& problems) {
  std::string place = fmt::format("rule {}: ", number);
  Rule rule;
  rule.name = fmt::format("rule {} (line {})", number, line_of(table));
  report_unknown_keys(table, rule_keys(), place, fmt::format("a rule holds {}", join(rule_keys(), ", ")),
                      problems);
  auto read = [&](std::string_view key, const auto& use) { read_string(table, key, place, problems, use); };
  read("tensors", [&](const std::string& text) { rule.tensors = TensorSelection::parse(text); });
  read("layers", [&](const std::string& text) { rule.layers = LayerSelection::parse(text); });
  read("store", [&](const std::string& text) { rule.store = parse_store(text); });
  read("format", [&](const std::string& text) { rule.format = parse_format(text); });
  if (!table.contains("format")) {
    problems.report(
        line_of(table),
        fmt::format("rule {} has no format; write format = \"bf16\", or \"f32\" to leave its tensors",
                    number));
  }
  return rule;
}

}  // namespace

Store parse_store(std::string_view text) {
  std::string wanted = lower(trim(text));
  std::vector<std::string> names;
  for (const StoreName& entry : kStores) {
    if (wanted == entry.name) return entry.store;
    names.emplace_back(entry.name);
  }
  throw UsageError("store '{}': wanted one of {}{}", excerpt(text), join(names, ", "),
                   did_you_mean(wanted, names));
}

std::string_view name_of(Store store) {
  auto found =
      std::find_if(kStores.begin(), kStores.end(), [&](auto& entry) { return entry.store == store; });
  FQ_CHECK(found != kStores.end());
  return found->name;
}

Recipe load_recipe(const std::string& path) {
  return parse_recipe(read_toml_file(path, "recipe"), path);
}

Recipe parse_recipe(std::string_view text, const std::string& path) {
  check_toml_size(text, path, "recipe");
  TomlProblems problems(path);
  toml::table top = parse_toml(text, problems);
  report_unknown_keys(top, {"rule"}, "", "a recipe holds [[rule]] tables only", problems);
  Recipe recipe{path, {}};
  if (const toml::node* rules = top.get("rule")) {
    recipe.rules = read_rules(*rules, problems);
  } else if (top.empty()) {
    problems.report(0, "no rules; write [[rule]] and below it format = \"...\"");
  }
  problems.throw_if_any();
  return recipe;
}

const std::vector<std::string>& rule_keys() {
  static const std::vector<std::string> kKeys = {"tensors", "layers", "format", "store"};
  return kKeys;
}

std::vector<Rule> read_rules(const toml::node& node, TomlProblems& problems) {
  std::vector<Rule> rules;
  for_each_table(node, "rule", problems, [&](const toml::table& table, size_t number) {
    rules.push_back(read_rule(table, number, problems));
  });
  return rules;
}

}  // namespace fakequant
