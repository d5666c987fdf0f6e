#include "select/rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "select/toml_file.h"

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

// Reads the tables of one recipe and gathers everything that is wrong with it, line by line.
class RecipeReader {
 public:
  RecipeReader(std::string_view text, const std::string& path)
      : text_(text), recipe_{path, {}}, problems_(path) {}

  Recipe read() {
    read_top(parse_toml(text_, problems_));
    problems_.throw_if_any();
    return std::move(recipe_);
  }

 private:
  void report(size_t line, const std::string& problem) { problems_.report(line, problem); }

  void read_top(const toml::table& top) {
    for (const auto& [key, node] : top) {
      if (key.str() == "rule") continue;
      report(key.source().begin.line, fmt::format("unknown key '{}'; a recipe holds [[rule]] tables only{}",
                                                  printable(key.str()), did_you_mean(key.str(), {"rule"})));
    }
    const toml::node* rules = top.get("rule");
    if (rules == nullptr) {
      if (top.empty()) report(0, "no rules; write [[rule]] and below it format = \"...\"");
      return;
    }
    const toml::array* array = rules->as_array();
    if (array == nullptr) {
      report(line_of(*rules), "'rule' is no list of tables; write [[rule]] with two brackets");
      return;
    }
    if (array->empty()) report(line_of(*rules), "no rules; write [[rule]] and below it format = \"...\"");
    for (const toml::node& node : *array) {
      ++rule_number_;
      if (const toml::table* table = node.as_table()) {
        read_rule(*table);
      } else {
        report(line_of(node), fmt::format("rule {} is no table; write [[rule]]", rule_number_));
      }
    }
  }

  void read_rule(const toml::table& table) {
    static const std::vector<std::string> kKeys = {"tensors", "layers", "format", "store"};
    Rule rule;
    rule.name = fmt::format("rule {} (line {})", rule_number_, line_of(table));
    for (const auto& [key, node] : table) {
      std::string name(key.str());
      if (std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end()) continue;
      report(key.source().begin.line,
             fmt::format("rule {}: unknown key '{}'; a rule holds {}{}", rule_number_, printable(name),
                         join(kKeys, ", "), did_you_mean(lower(name), kKeys)));
    }
    read_string(table, "tensors",
                [&](const std::string& text) { rule.tensors = TensorSelection::parse(text); });
    read_string(table, "layers", [&](const std::string& text) { rule.layers = LayerSelection::parse(text); });
    read_string(table, "store", [&](const std::string& text) { rule.store = parse_store(text); });
    read_string(table, "format", [&](const std::string& text) { rule.format = parse_format(text); });
    if (!table.contains("format")) {
      report(line_of(table),
             fmt::format("rule {} has no format; write format = \"bf16\", or \"f32\" to leave its tensors",
                         rule_number_));
    }
    recipe_.rules.push_back(std::move(rule));
  }

  // Hands the string under `key`, if there is one, to `use`, whose Error becomes a problem of its line.
  template <typename Use>
  void read_string(const toml::table& table, std::string_view key, const Use& use) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const toml::value<std::string>* text = node->as_string();
    if (text == nullptr) {
      report(line_of(*node), fmt::format("rule {}: {} is {}, wanted a string in quotes{}", rule_number_, key,
                                         type_of(*node), key == "layers" ? ", such as \"0-2\"" : ""));
      return;
    }
    try {
      use(text->get());
    } catch (const Error& error) {
      report(line_of(*node), fmt::format("rule {}: {}", rule_number_, error.what()));
    }
  }

  std::string_view text_;
  Recipe recipe_;
  size_t rule_number_ = 0;
  TomlProblems problems_;
};

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
  return RecipeReader(text, path).read();
}

}  // namespace fakequant
