#pragma once
// The [[rule]] tables of a TOML file, of a recipe and of files that hold recipes within.

#include <string>
#include <vector>

#include "select/rule.h"
#include "select/toml_file.h"

namespace fakequant {

// tensors, layers, format, store.
const std::vector<std::string>& rule_keys();

// Reads the value of the key `rule`. What is wrong is reported, and the rules are then of no use.
std::vector<Rule> read_rules(const toml::node& node, TomlProblems& problems);

}  // namespace fakequant
