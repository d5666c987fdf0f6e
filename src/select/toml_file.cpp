#include "select/toml_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "select/toml_guard.h"

namespace fakequant {

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
  throw Error("{} {} is larger than {}, the most a {} may have", noun, printable(path),
              format_bytes(kMaxTomlBytes), noun);
}

}  // namespace fakequant
