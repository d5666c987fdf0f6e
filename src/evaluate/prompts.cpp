#include "evaluate/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/text.h"
#include "select/toml_file.h"

namespace fakequant {
namespace {

constexpr std::string_view kNoPrompts = "no prompts; write [[prompt]] and below it prompt = \"...\"";

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

// Reads the tables of one file and gathers everything that is wrong with it.
class PromptReader {
 public:
  explicit PromptReader(const std::string& path) : problems_(path) {}

  std::vector<PromptRun> read(std::string_view text) {
    read_top(parse_toml(text, problems_));
    problems_.throw_if_any();
    std::vector<PromptRun> runs;
    double count = 0;
    for (const PromptTable& table : tables_) count += run_count(table);
    if (count > static_cast<double>(kMaxPromptRuns)) {
      problems_.report(0, fmt::format("found {:.0f} combinations, wanted at most {}", count,
                                      format_count(kMaxPromptRuns)));
    }
    problems_.throw_if_any();
    for (const PromptTable& table : tables_) add_runs(table, runs);
    return runs;
  }

 private:
  void report(const toml::node& node, const std::string& problem) {
    problems_.report(line_of(node), fmt::format("prompt {}: {}", number_, problem));
  }

  void read_top(const toml::table& top) {
    for (const auto& [key, node] : top) {
      if (key.str() == "prompt") continue;
      problems_.report(key.source().begin.line,
                       fmt::format("unknown key '{}'; a file of prompts holds [[prompt]] tables only{}",
                                   printable(key.str()), did_you_mean(key.str(), {"prompt"})));
    }
    const toml::node* prompts = top.get("prompt");
    if (prompts == nullptr) {
      if (top.empty()) problems_.report(0, std::string(kNoPrompts));
      return;
    }
    const toml::array* array = prompts->as_array();
    if (array == nullptr) {
      problems_.report(line_of(*prompts),
                       "'prompt' is no list of tables; write [[prompt]] with two brackets");
      return;
    }
    if (array->empty()) problems_.report(line_of(*prompts), std::string(kNoPrompts));
    for (const toml::node& node : *array) {
      ++number_;
      if (const toml::table* table = node.as_table()) {
        read_table(*table);
      } else {
        report(node, "found no table; write [[prompt]]");
      }
    }
  }

  void read_table(const toml::table& table) {
    static const std::vector<std::string> kKeys = {"prompt", "temperature", "seed", "tokens"};
    for (const auto& [key, node] : table) {
      std::string name(key.str());
      if (std::find(kKeys.begin(), kKeys.end(), name) != kKeys.end()) continue;
      problems_.report(key.source().begin.line,
                       fmt::format("prompt {}: unknown key '{}'; a prompt holds {}{}", number_,
                                   printable(name), join(kKeys, ", "), did_you_mean(lower(name), kKeys)));
    }
    PromptTable result;
    read_values(table, "prompt", result.prompts, [&](const toml::node& node) { return text_of(node); });
    read_values(table, "temperature", result.temperatures,
                [&](const toml::node& node) { return number_of(node, 0, kMaxTemperature); });
    read_values(table, "seed", result.seeds,
                [&](const toml::node& node) { return whole_of<uint32_t>(node, 0, kMaxSeed); });
    read_values(table, "tokens", result.token_counts,
                [&](const toml::node& node) { return whole_of<int>(node, 1, kMaxPromptTokens); });
    if (!table.contains("prompt")) report(table, "no text; write prompt = \"...\"");
    tables_.push_back(std::move(result));
  }

  // Puts what stands under `key`, a value or a list of them, in place of `values`; nothing there leaves them.
  template <typename Value, typename Read>
  void read_values(const toml::table& table, const std::string& key, std::vector<Value>& values,
                   const Read& read) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    values.clear();
    auto add = [&](const toml::node& item) {
      std::optional<Value> value;
      try {
        value = read(item);
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

  static std::string text_of(const toml::node& node) {
    const toml::value<std::string>* text = node.as_string();
    if (text == nullptr) throw Error("found {}, wanted a string in quotes", type_of(node));
    return text->get();
  }

  static double number_of(const toml::node& node, double least, double most) {
    std::optional<double> found;
    if (const toml::value<double>* number = node.as_floating_point()) found = number->get();
    if (const toml::value<int64_t>* number = node.as_integer()) found = static_cast<double>(number->get());
    if (!found) throw Error("found {}, wanted a number", type_of(node));
    // A NaN fails this as well.
    if (!(*found >= least && *found <= most))
      throw Error("found {}, wanted a number from {} to {}", *found, least, most);
    return *found;
  }

  template <typename Whole>
  static Whole whole_of(const toml::node& node, int64_t least, int64_t most) {
    const toml::value<int64_t>* number = node.as_integer();
    if (number == nullptr) throw Error("found {}, wanted a whole number", type_of(node));
    if (number->get() < least || number->get() > most)
      throw Error("found {}, wanted a whole number from {} to {}", number->get(), least, most);
    return static_cast<Whole>(number->get());
  }

  TomlProblems problems_;
  std::vector<PromptTable> tables_;
  size_t number_ = 0;  // of the table that is read
};

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
  return PromptReader(path).read(text);
}

}  // namespace fakequant
