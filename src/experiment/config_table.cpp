#include "experiment/config_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

ConfigTableReader::ConfigTableReader(const toml::table& table, std::string_view name, std::string place,
                                     TomlProblems& problems)
    : table_(&table),
      name_(config_table(name).name),
      place_(std::move(place)),
      problems_(&problems),
      line_(fakequant::line_of(table)) {
  std::vector<std::string> names = key_names(name);
  report_unknown_keys(table, names, place_, fmt::format("{} {}", config_table(name).noun, join(names, ", ")),
                      problems);
  for (const ConfigKey& key : config_keys()) {
    if (key.table != name) continue;
    if (const toml::node* node = table.get(key.name)) {
      check_key(key, *node);
    } else if (!key.example.empty()) {
      report(line_, fmt::format("no {}; write {} = {}", key.name, key.name, key.example));
    }
  }
}

void ConfigTableReader::check_key(const ConfigKey& key, const toml::node& node) {
  if (key.kind == KeyKind::table || key.kind == KeyKind::tables) return;  // whoever reads them checks them
  std::vector<ConfigValue>& values = values_[std::string(key.name)];
  const toml::array* list = node.as_array();
  if (list == nullptr || key.list == KeyList::never) {
    if (key.list == KeyList::always) {
      report(fakequant::line_of(node),
             fmt::format("{}: found {}, wanted a list: [...]", key.name, type_of(node)));
    } else if (std::optional<ConfigValue> value = checked(key, node)) {
      values.push_back(std::move(*value));
    }
    return;
  }
  if (list->empty())
    report(fakequant::line_of(node), fmt::format("{}: found an empty list, wanted values in it", key.name));
  for (const toml::node& item : *list) {
    std::optional<ConfigValue> value = checked(key, item);
    if (!value) continue;
    bool known =
        std::ranges::any_of(values, [&](const ConfigValue& other) { return other.value == value->value; });
    if (known) {
      report(value->line, fmt::format("{}: found the same value twice in the list", key.name));
    } else {
      values.push_back(std::move(*value));
    }
  }
}

namespace {

void check_choice(const ConfigKey& key, const std::string& text) {
  std::vector<std::string> words = key.choices();
  if (std::ranges::find(words, text) != words.end()) return;
  throw Error("{}: found '{}', wanted one of {}{}", key.name, excerpt(text), join(words, ", "),
              did_you_mean(lower(text), words));
}

ConfigValue read_value(const ConfigKey& key, const toml::node& node) {
  size_t line = line_of(node);
  switch (key.kind) {
    case KeyKind::text:
      return {text_of(node), line};
    case KeyKind::whole:
      return {whole_of(node, static_cast<int64_t>(key.least), static_cast<int64_t>(key.most)), line};
    case KeyKind::number:
      return {number_of(node, key.least, key.most), line};
    default:
      FQ_CHECK(key.kind == KeyKind::flag);
      return {flag_of(node), line};
  }
}

}  // namespace

std::optional<ConfigValue> ConfigTableReader::checked(const ConfigKey& key, const toml::node& node) const {
  size_t line = fakequant::line_of(node);
  std::optional<ConfigValue> value;
  try {
    value = read_value(key, node);
  } catch (const Error& error) {
    report(line, fmt::format("{}: {}", key.name, error.what()));
    return std::nullopt;
  }
  try {
    if (key.check != nullptr) key.check(key.name, value->text());
    if (key.choices != nullptr) check_choice(key, value->text());
  } catch (const Error& error) {
    report(line, error.what());
    return std::nullopt;
  }
  return value;
}

void ConfigTableReader::report(size_t line, const std::string& problem) const {
  problems_->report(line, place_ + problem);
}

size_t ConfigTableReader::line_of(std::string_view key) const {
  const toml::node* node = find(key);
  return node == nullptr ? line_ : fakequant::line_of(*node);
}

const std::vector<ConfigValue>& ConfigTableReader::values(std::string_view key) const {
  static const std::vector<ConfigValue> kNone;
  config_key(name_, key);  // a key that the table does not have is our own bug
  auto found = values_.find(key);
  return found == values_.end() ? kNone : found->second;
}

const ConfigValue* ConfigTableReader::first(std::string_view key, KeyKind kind) const {
  FQ_CHECK(config_key(name_, key).kind == kind);
  const std::vector<ConfigValue>& found = values(key);
  return found.empty() ? nullptr : &found.front();
}

std::optional<std::string> ConfigTableReader::text(std::string_view key) const {
  const ConfigValue* value = first(key, KeyKind::text);
  if (value == nullptr) return std::nullopt;
  return value->text();
}

std::optional<int64_t> ConfigTableReader::whole(std::string_view key) const {
  const ConfigValue* value = first(key, KeyKind::whole);
  if (value == nullptr) return std::nullopt;
  return std::get<int64_t>(value->value);
}

std::optional<double> ConfigTableReader::number(std::string_view key) const {
  const ConfigValue* value = first(key, KeyKind::number);
  if (value == nullptr) return std::nullopt;
  return std::get<double>(value->value);
}

std::optional<bool> ConfigTableReader::flag(std::string_view key) const {
  const ConfigValue* value = first(key, KeyKind::flag);
  if (value == nullptr) return std::nullopt;
  return std::get<bool>(value->value);
}

bool ConfigTableReader::is_list(std::string_view key) const {
  const toml::node* node = find(key);
  return node != nullptr && node->is_array();
}

std::vector<std::string> ConfigTableReader::keys_in_order() const {
  struct Placed {
    toml::source_position place;
    std::string key;
  };
  std::vector<Placed> placed;
  for (const auto& [key, node] : *table_) placed.push_back({key.source().begin, std::string(key.str())});
  std::ranges::stable_sort(placed, [](const Placed& a, const Placed& b) { return a.place < b.place; });
  std::vector<std::string> keys;
  for (const Placed& row : placed) keys.push_back(row.key);
  return keys;
}

}  // namespace fakequant
