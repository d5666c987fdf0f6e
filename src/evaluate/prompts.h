#pragma once
// What a model is asked to continue: prompts, each at every temperature and seed. Knows no model.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/token_sampler.h"

namespace fakequant {

// One text to make.
struct PromptRun {
  std::string prompt;
  Sampling sampling;
  int tokens;  // at most; at least 1

  bool operator==(const PromptRun&) const = default;
};

// What a prompt gets where nothing is said: temperatures 0, 0.1, 0.7 and 0.8, seeds 42 and 123, 64 tokens.
std::span<const double> default_temperatures();
std::span<const uint32_t> default_seeds();
inline constexpr int kDefaultPromptTokens = 64;

inline constexpr double kMaxTemperature = 100;
inline constexpr int kMaxPromptTokens = 1'000'000;
inline constexpr size_t kMaxPromptRuns = 10'000;

// The built-in set: five prompts, one of them Chinese, with those defaults; 35 texts.
std::vector<PromptRun> default_prompts();

// Reads a TOML file of [[prompt]] tables: prompt (required; a string or a list of them), temperature (0 to
// kMaxTemperature), seed (0 to kMaxSeed), tokens (1 to kMaxPromptTokens); each a value or a list that means every
// combination, in this order, the last changing fastest. At temperature 0 nothing is drawn: the first seed alone
// is taken.
//
//   throws   Error, one line "path:line: ..." for each problem of the file: unknown keys, wrong types, values out
//            of range or twice, a table without prompt, no prompts at all, more than kMaxPromptRuns texts
std::vector<PromptRun> load_prompts(const std::string& path);

// The same for text that is already in memory; `path` is for messages.
std::vector<PromptRun> parse_prompts(std::string_view text, const std::string& path);

}  // namespace fakequant
