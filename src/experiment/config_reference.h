#pragma once
// The experiment file described from its table of keys: the JSON schema that editors read, and the tables of docs/experiments.md.

#include <string>
#include <string_view>

#include "base/json.h"
#include "experiment/config_keys.h"

namespace fakequant {

// "a whole number from 4 to 65,536", "on, off or auto", "text; or a list": what may stand under a key, for people.
std::string kind_text(const ConfigKey& key);

// JSON Schema (draft 7). What it refuses, load_experiment refuses; grammars, files and what parts say of each other are not in it.
Json config_schema();

// A Markdown table of the keys of one table, by ConfigTable::name.
std::string keys_reference(std::string_view table);

// A Markdown table of every metric.
std::string metrics_reference();

// All of them one after the other, each below its heading: "### [[text]]".
std::string config_reference();

}  // namespace fakequant
