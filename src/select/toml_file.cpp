#include "select/toml_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "select/toml_guard.h"

namespace fakequant {

void TomlProblems::report(size_t line, const std::string& problem) {
  auto [begin, end] = problems_.equal_range(line);
  if (std::any_of(begin, end, [&](const auto& known) { return known.second == problem; })) return;
  problems_.emplace(line, problem);
}

void TomlProblems::throw_if_any() const {
  if (problems_.empty()) return;
  std::vector<std::string> lines;
  for (const auto& [line, problem] : problems_) {
    std::string place = line == 0 ? "" : fmt::format("{}:", line);
    lines.push_back(fmt::format("{}:{} {}", printable(path_), place, problem));
  }
  throw Error("{}", join(lines, "\n"));
}

toml::table parse_toml(std::string_view text, TomlProblems& problems) {
  toml::table table;
  if (std::optional<TomlFault> fault = find_toml_fault(text)) {
    problems.report(fault->line, fault->problem);
    problems.throw_if_any();
  }
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    problems.report(error.source().begin.line, fmt::format("{} (column {})", printable(error.description()),
                                                           error.source().begin.column));
  }
  problems.throw_if_any();
  return table;
}

size_t line_of(const toml::node& node) {
  return node.source().begin.line;
}

std::string_view type_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

std::string text_of(const toml::node& node) {
  const toml::value<std::string>* text = node.as_string();
  if (text == nullptr) throw Error("found {}, wanted a string in quotes", type_of(node));
  return text->get();
}

bool flag_of(const toml::node& node) {
  const toml::value<bool>* flag = node.as_boolean();
  if (flag == nullptr) throw Error("found {}, wanted true or false without quotes", type_of(node));
  return flag->get();
}

int64_t whole_of(const toml::node& node, int64_t least, int64_t most) {
  const toml::value<int64_t>* number = node.as_integer();
  if (number == nullptr) throw Error("found {}, wanted a whole number", type_of(node));
  if (number->get() < least || number->get() > most)
    throw Error("found {}, wanted a whole number from {} to {}", number->get(), least, most);
  return number->get();
}

double number_of(const toml::node& node, double least, double most) {
  std::optional<double> found;
  if (const toml::value<double>* number = node.as_floating_point()) found = number->get();
  if (const toml::value<int64_t>* number = node.as_integer()) found = static_cast<double>(number->get());
  if (!found) throw Error("found {}, wanted a number", type_of(node));
  if (!(*found >= least && *found <= most))
    throw Error("found {}, wanted a number from {} to {}", *found, least, most);
  return *found;
}

void for_each_table(const toml::node& node, std::string_view key, TomlProblems& problems,
                    const std::function<void(const toml::table& table, size_t number)>& read) {
  const toml::array* array = node.as_array();
  if (array == nullptr) {
    problems.report(line_of(node),
                    fmt::format("'{}' is no list of tables; write [[{}]] with two brackets", key, key));
    return;
  }
  if (array->empty())
    problems.report(line_of(node), fmt::format("'{}' is an empty list; write [[{}]] for each", key, key));
  size_t number = 0;
  for (const toml::node& item : *array) {
    ++number;
    if (const toml::table* table = item.as_table()) {
      read(*table, number);
    } else {
      problems.report(line_of(item), fmt::format("{} {} is no table; write [[{}]]", key, number, key));
    }
  }
}

void report_unknown_keys(const toml::table& table, const std::vector<std::string>& keys,
                         const std::string& place, const std::string& holder, TomlProblems& problems) {
  for (const auto& [key, node] : table) {
    std::string name(key.str());
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
    problems.report(key.source().begin.line, fmt::format("{}unknown key '{}'; {}{}", place, excerpt(name),
                                                         holder, did_you_mean(lower(name), keys)));
  }
}

std::string read_toml_file(const std::string& path, std::string_view noun) {
  // A pipe is as good as a file: read to the end, not by size.
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxTomlBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    throw Error("cannot read {} {}: {}", noun, printable(path),
                errno != 0 ? std::strerror(errno) : "unknown reason");
  }
  text.resize(static_cast<size_t>(file.gcount()));
  check_toml_size(text, path, noun);
  return text;
}

void check_toml_size(std::string_view text, const std::string& path, std::string_view noun) {
  if (text.size() <= kMaxTomlBytes) return;
  throw Error("{} {} is larger than {}, the most that is read", noun, printable(path),
              format_bytes(kMaxTomlBytes));
}

}  // namespace fakequant
