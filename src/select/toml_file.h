#pragma once
// A TOML file read as a whole, and everything that is wrong with it gathered line by line. Does not know what the
// keys mean.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

namespace fakequant {

// Problems of one file, told all at once.
class TomlProblems {
 public:
  explicit TomlProblems(std::string path) : path_(std::move(path)) {}

  // `line` counts from 1; 0 is the file as a whole. The same again is told once.
  void report(size_t line, const std::string& problem);
  bool empty() const { return problems_.empty(); }
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

// What a node holds. Each throws Error, "found an array, wanted a string in quotes", for another type and for a number that is out of
// range (least and most are in it; a NaN never is). An integer is a number too.
std::string text_of(const toml::node& node);
bool flag_of(const toml::node& node);
int64_t whole_of(const toml::node& node, int64_t least, int64_t most);
double number_of(const toml::node& node, double least, double most);

// Hands each table below [[key]] and its number, counted from 1, to `read`; reports what is no list of tables, and an empty list. Of
// tables within tables `key` may be the path: "stage.variant".
void for_each_table(const toml::node& node, std::string_view key, TomlProblems& problems,
                    const std::function<void(const toml::table& table, size_t number)>& read);

// Reports each key of the table that is none of `keys`: "rule 2: unknown key 'formt'; a rule holds format, layers; did you mean
// format?", with the place "rule 2: " and the holder "a rule holds format, layers".
void report_unknown_keys(const toml::table& table, const std::vector<std::string>& keys,
                         const std::string& place, const std::string& holder, TomlProblems& problems);

// The text of a file or a pipe, to the end; `noun` says what it is. Throws Error when it cannot be read or has more
// than kMaxTomlBytes.
std::string read_toml_file(const std::string& path, std::string_view noun);

// Throws that Error for a text that is too large.
void check_toml_size(std::string_view text, const std::string& path, std::string_view noun);

}  // namespace fakequant
