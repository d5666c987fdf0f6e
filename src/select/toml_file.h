#pragma once
// A TOML file read as a whole, and everything that is wrong with it gathered line by line. Does not know what the
// keys mean.

#include <map>
#include <string>
#include <string_view>

#include <toml++/toml.h>

namespace fakequant {

// Problems of one file, told all at once.
class TomlProblems {
 public:
  explicit TomlProblems(std::string path) : path_(std::move(path)) {}

  // `line` counts from 1; 0 is the file as a whole.
  void report(size_t line, const std::string& problem) { problems_.emplace(line, problem); }
  // Throws Error, a line "path:line: problem" for each, in the order of lines.
  void throw_if_any() const;

 private:
  std::string path_;
  std::multimap<size_t, std::string> problems_;
};

// Parses `text`. What is no TOML is reported and thrown.
toml::table parse_toml(std::string_view text, TomlProblems& problems);

size_t line_of(const toml::node& node);
// "a table", "an integer", for what was found where something else was wanted.
std::string_view type_of(const toml::node& node);

// The text of a file or a pipe, to the end; `noun` says what it is. Throws Error when it cannot be read or has more
// than kMaxTomlBytes.
std::string read_toml_file(const std::string& path, std::string_view noun);

// Throws that Error for a text that is too large.
void check_toml_size(std::string_view text, const std::string& path, std::string_view noun);

}  // namespace fakequant
