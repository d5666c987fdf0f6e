#include "evaluate/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "evaluate/prompt_tables.h"

namespace fakequant {
namespace {

// What one [[prompt]] table says: every combination of these.
struct PromptTable {
  std::vector<std::string> prompts;
  std::vector<double> temperatures{default_temperatures().begin(), default_temperatures().end()};
  std::vector<uint32_t> seeds{default_seeds().begin(), default_seeds().end()};
  std::vector<int> token_counts{kDefaultPromptTokens};
};

// In double: a product of lists of a file cannot overflow it.
double run_count(const PromptTable& table) {
  return static_cast<double>(table.prompts.size()) * static_cast<double>(table.temperatures.size()) *
         static_cast<double>(table.seeds.size()) * static_cast<double>(table.token_counts.size());
}

void add_runs(const PromptTable& table, std::vector<PromptRun>& runs) {
  for (const std::string& prompt : table.prompts) {
    for (double temperature : table.temperatures) {
      size_t seed_count = temperature == 0 ? 1 : table.seeds.size();
      for (size_t i = 0; i < seed_count; ++i) {
        for (int tokens : table.token_counts) runs.push_back({prompt, {temperature, table.seeds[i]}, tokens});
      }
    }
  }
}

// Puts what stands under `key`, a value or a list of them, in place of `values`; nothing there leaves them.
template <typename Value, typename Read>
void read_values(const toml::table& table, const std::string& key, std::vector<Value>& values,
                 const std::function<void(const toml::node&, const std::string&)>& report, const Read& read) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  values.clear();
  auto add = [&](const toml::node& item) {
    std::optional<Value> value;
    try {
      value = static_cast<Value>(read(item));
    } catch (const Error& error) {
      report(item, fmt::format("{}: {}", key, error.what()));
      return;
    }
    if (std::find(values.begin(), values.end(), *value) != values.end())
      report(item, fmt::format("{}: found the same value twice in the list", key));
    values.push_back(*value);
  };
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    add(*node);
    return;
  }
  if (list->empty()) report(*node, fmt::format("{}: found an empty list, wanted values in it", key));
  for (const toml::node& item : *list) add(item);
}

PromptTable read_table(const toml::table& table, size_t number, TomlProblems& problems) {
  std::string place = fmt::format("prompt {}: ", number);
  auto report = [&](const toml::node& node, const std::string& problem) {
    problems.report(line_of(node), place + problem);
  };
  report_unknown_keys(table, prompt_keys(), place,
                      fmt::format("a prompt holds {}", join(prompt_keys(), ", ")), problems);
  PromptTable result;
  read_values(table, "prompt", result.prompts, report, [](const toml::node& node) { return text_of(node); });
  read_values(table, "temperature", result.temperatures, report,
              [](const toml::node& node) { return number_of(node, 0, kMaxTemperature); });
  read_values(table, "seed", result.seeds, report,
              [](const toml::node& node) { return whole_of(node, 0, kMaxSeed); });
  read_values(table, "tokens", result.token_counts, report,
              [](const toml::node& node) { return whole_of(node, 1, kMaxPromptTokens); });
  if (!table.contains("prompt")) report(table, "no text; write prompt = \"...\"");
  return result;
}

}  // namespace

std::span<const double> default_temperatures() {
  static constexpr double kTemperatures[] = {0, 0.1, 0.7, 0.8};
  return kTemperatures;
}

std::span<const uint32_t> default_seeds() {
  static constexpr uint32_t kSeeds[] = {42, 123};
  return kSeeds;
}

std::vector<PromptRun> default_prompts() {
  PromptTable table;
  table.prompts = {"Hello", "What is 2+2?", "Hello, can you introduce yourself?",
                   "Write a short story about a robot.",
                   // 你好，请介绍一下你自己。: "Hello, please introduce yourself."
                   "\u4F60\u597D\uFF0C\u8BF7\u4ECB\u7ECD\u4E00\u4E0B\u4F60\u81EA\u5DF1\u3002"};
  std::vector<PromptRun> runs;
  add_runs(table, runs);
  return runs;
}

std::vector<PromptRun> load_prompts(const std::string& path) {
  return parse_prompts(read_toml_file(path, "prompts file"), path);
}

std::vector<PromptRun> parse_prompts(std::string_view text, const std::string& path) {
  check_toml_size(text, path, "prompts file");
  TomlProblems problems(path);
  toml::table top = parse_toml(text, problems);
  report_unknown_keys(top, {"prompt"}, "", "a file of prompts holds [[prompt]] tables only", problems);
  std::vector<PromptRun> runs;
  if (const toml::node* prompts = top.get("prompt")) {
    runs = read_prompts(*prompts, problems);
  } else if (top.empty()) {
    problems.report(0, "no prompts; write [[prompt]] and below it prompt = \"...\"");
  }
  problems.throw_if_any();
  return runs;
}

const std::vector<std::string>& prompt_keys() {
  static const std::vector<std::string> kKeys = {"prompt", "temperature", "seed", "tokens"};
  return kKeys;
}

std::vector<PromptRun> read_prompts(const toml::node& node, TomlProblems& problems) {
  std::vector<PromptTable> tables;
  for_each_table(node, "prompt", problems, [&](const toml::table& table, size_t number) {
    tables.push_back(read_table(table, number, problems));
  });
  double count = 0;
  for (const PromptTable& table : tables) count += run_count(table);
  std::vector<PromptRun> runs;
  if (count > static_cast<double>(kMaxPromptRuns)) {
    problems.report(
        0,
        fmt::format("found {:.0f} combinations of prompts, temperatures, seeds and tokens, wanted at most {}",
                    count, format_count(kMaxPromptRuns)));
    return runs;
  }
  for (const PromptTable& table : tables) add_runs(table, runs);
  return runs;
}

}  // namespace fakequant
