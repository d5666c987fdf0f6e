#pragma once
// One table of an experiment file, checked against the rows of config_keys: unknown and missing keys, types, ranges and grammars. What passes is
// handed out; what does not is reported and then missing.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "experiment/config_keys.h"
#include "select/toml_file.h"

namespace fakequant {

struct ConfigValue {
  std::variant<std::string, int64_t, double, bool> value;  // text, whole, number, flag
  size_t line;

  const std::string& text() const { return std::get<std::string>(value); }
};

class ConfigTableReader {
 public:
  // Checks all of `table`, whose rows are those of config_table(`name`). `place` is what problems begin with: "variant 2: ".
  ConfigTableReader(const toml::table& table, std::string_view name, std::string place,
                    TomlProblems& problems);

  size_t line() const { return line_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  // Of a key that is there, of any value, else of the table.
  size_t line_of(std::string_view key) const;
  // Reports a problem of this table, with its place before it.
  void report(size_t line, const std::string& problem) const;

  // Nothing where the key is not there or was refused. Not for keys with lists.
  std::optional<std::string> text(std::string_view key) const;
  std::optional<int64_t> whole(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> flag(std::string_view key) const;
  // All that stands under a key, one or more, in order; without those that were refused.
  const std::vector<ConfigValue>& values(std::string_view key) const;
  // Whether a list stands there.
  bool is_list(std::string_view key) const;
  // The node under a key of kind table or tables; null where there is none.
  const toml::node* find(std::string_view key) const { return table_->get(key); }
  // Keys that are there, in the order in which they are written.
  std::vector<std::string> keys_in_order() const;

 private:
  void check_key(const ConfigKey& key, const toml::node& node);
  std::optional<ConfigValue> checked(const ConfigKey& key, const toml::node& node) const;
  const ConfigValue* first(std::string_view key, KeyKind kind) const;

  const toml::table* table_;
  std::string_view name_;
  std::string place_;
  TomlProblems* problems_;
  size_t line_;
  std::map<std::string, std::vector<ConfigValue>, std::less<>> values_;
};

}  // namespace fakequant
