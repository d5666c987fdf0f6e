#pragma once
// Every key of an experiment file, as a table: what may stand under it, what it means. Parser, JSON schema and docs/experiments.md are
// made from it. Knows no values of a file.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

enum class KeyKind {
  text,
  whole,   // a whole number
  number,  // with or without a fraction
  flag,    // true or false
  table,   // [name]
  tables,  // [[name]], one or more
};

// Whether a key takes one value or a list of them. Of a list each element is of the key's kind, there is at least one, none twice.
enum class KeyList { never, maybe, always };

struct ConfigKey {
  std::string_view table;  // where it stands: ConfigTable::name
  std::string_view name;
  KeyKind kind = KeyKind::text;
  KeyList list = KeyList::never;
  double least = 0;  // of numbers, in the range as `most`
  double most = 0;
  std::string_view example = "";   // of a key that must be there: a value, as TOML
  std::string_view fallback = "";  // what holds where it is not there, for people; "" for nothing
  std::string_view summary;        // one or two sentences
  // Of texts: throws Error, a sentence that names the key or what it holds, for one that means nothing.
  void (*check)(std::string_view name, const std::string& text) = nullptr;
  std::vector<std::string> (*choices)() = nullptr;  // of texts: those that it may be; null for any
};

struct ConfigTable {
  std::string_view name;     // "variant"; "" for the top of the file
  std::string_view heading;  // "[[stage.variant]]"; "" for the top
  std::string_view noun;     // "a variant holds ..."
  std::string_view summary;
};

std::span<const ConfigTable> config_tables();
const ConfigTable& config_table(std::string_view name);  // one that is there

// Rows of a table stand together, in the order of config_tables().
std::span<const ConfigKey> config_keys();
const ConfigKey& config_key(std::string_view table, std::string_view name);  // one that is there
std::vector<std::string> key_names(std::string_view table);

}  // namespace fakequant
