#include "experiment/config_reference.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "experiment/metric.h"

namespace fakequant {
namespace {

// The name of the table that a key of kind table or tables holds.
std::string_view table_under(const ConfigKey& key) {
  return config_table(key.name).name;
}

std::string single_kind(const ConfigKey& key) {
  if (key.choices != nullptr) {
    std::vector<std::string> words = key.choices();
    for (std::string& word : words) word = "`" + word + "`";
    std::string last = words.back();
    words.pop_back();
    return fmt::format("{} or {}", join(words, ", "), last);
  }
  switch (key.kind) {
    case KeyKind::text:
      return "text";
    case KeyKind::whole:
      return fmt::format("a whole number from {} to {}", format_count(static_cast<uint64_t>(key.least)),
                         format_count(static_cast<uint64_t>(key.most)));
    case KeyKind::number:
      return fmt::format("a number from {} to {}", key.least, key.most);
    case KeyKind::flag:
      return "`true` or `false`";
    case KeyKind::table:
      return "a table";
    case KeyKind::tables:
      return "tables";
  }
  FQ_CHECK(false);
  return "";
}

Json single_schema(const ConfigKey& key) {
  if (key.choices != nullptr) return {{"enum", key.choices()}};
  switch (key.kind) {
    case KeyKind::text:
      return key.check == nullptr ? Json{{"type", "string"}} : Json{{"type", "string"}, {"minLength", 1}};
    case KeyKind::whole:
      return {{"type", "integer"},
              {"minimum", static_cast<int64_t>(key.least)},
              {"maximum", static_cast<int64_t>(key.most)}};
    case KeyKind::number:
      return {{"type", "number"}, {"minimum", key.least}, {"maximum", key.most}};
    case KeyKind::flag:
      return {{"type", "boolean"}};
    case KeyKind::table:
      return {{"$ref", fmt::format("#/definitions/{}", table_under(key))}};
    case KeyKind::tables:
      return {{"type", "array"},
              {"minItems", 1},
              {"items", {{"$ref", fmt::format("#/definitions/{}", table_under(key))}}}};
  }
  FQ_CHECK(false);
  return {};
}

Json key_schema(const ConfigKey& key) {
  Json one = single_schema(key);
  Json list{{"type", "array"}, {"minItems", 1}, {"uniqueItems", true}, {"items", one}};
  Json schema;
  if (key.list == KeyList::never) {
    schema = std::move(one);
  } else if (key.list == KeyList::always) {
    schema = std::move(list);
  } else {
    schema["anyOf"] = Json::array({std::move(one), std::move(list)});
  }
  // Beside "$ref" a reader of draft 7 passes everything over.
  if (schema.contains("$ref")) return schema;
  schema["description"] = key.fallback.empty() ? std::string(key.summary)
                                               : fmt::format("{} Default: {}.", key.summary, key.fallback);
  return schema;
}

Json table_schema(const ConfigTable& table) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const ConfigKey& key : config_keys()) {
    if (key.table != table.name) continue;
    properties[std::string(key.name)] = key_schema(key);
    if (!key.example.empty()) required.push_back(key.name);
  }
  Json schema{{"type", "object"},
              {"description", table.summary},
              {"properties", std::move(properties)},
              {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace

std::string kind_text(const ConfigKey& key) {
  std::string kind = single_kind(key);
  if (key.list == KeyList::always) return fmt::format("a list: {}", kind);
  return key.list == KeyList::maybe ? kind + "; or a list" : kind;
}

Json config_schema() {
  Json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "An experiment of fakequant"}};
  schema.update(table_schema(config_table("")));
  for (const ConfigTable& table : config_tables()) {
    if (!table.name.empty()) schema["definitions"][std::string(table.name)] = table_schema(table);
  }
  return schema;
}

std::string keys_reference(std::string_view table) {
  std::string text = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const ConfigKey& key : config_keys()) {
    if (key.table != table) continue;
    std::string_view fallback = key.example.empty() ? key.fallback : "required";
    text += fmt::format("| `{}` | {} | {} | {} |\n", key.name, kind_text(key), fallback, key.summary);
  }
  return text;
}

std::string metrics_reference() {
  std::string text = "| metric | measured by | what |\n|---|---|---|\n";
  for (const Metric& metric : metrics())
    text += fmt::format("| `{}` | {} | {} |\n", metric.name, metric.kind, metric.summary);
  return text;
}

std::string config_reference() {
  std::string text;
  for (const ConfigTable& table : config_tables()) {
    text += fmt::format("### {}\n{}\n\n{}\n",
                        table.heading.empty() ? "At the top" : fmt::format("`{}`", table.heading),
                        table.summary, keys_reference(table.name));
  }
  return text + fmt::format("### Metrics\n{}", metrics_reference());
}

}  // namespace fakequant
