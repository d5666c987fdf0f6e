#pragma once
// The [[prompt]] tables of a TOML file, of prompts alone and of files that hold prompts within.

#include <string>
#include <vector>

#include "evaluate/prompts.h"
#include "select/toml_file.h"

namespace fakequant {

// prompt, temperature, seed, tokens.
const std::vector<std::string>& prompt_keys();

// Reads the value of the key `prompt`. What is wrong is reported, and the runs are then of no use.
std::vector<PromptRun> read_prompts(const toml::node& node, TomlProblems& problems);

}  // namespace fakequant
