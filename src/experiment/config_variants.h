#pragma once
// The [[variant]] tables of an experiment: checked as a whole, and every combination of their lists made a variant with a name. Opens
// no models.

#include <map>
#include <string>
#include <vector>

#include "experiment/config_files.h"
#include "experiment/config_table.h"

namespace fakequant {

class VariantReader {
 public:
  // `only_table`: the file has one variant table alone, so that names need say no more than what varies in it.
  VariantReader(const ConfigFiles& files, bool only_table, TomlProblems& problems)
      : files_(files), only_table_(only_table), problems_(problems) {}

  // The variants of one table. Of one that is not well-formed those that are, for finding further problems.
  std::vector<ConfigVariant> read(const toml::table& table, const std::string& place);

 private:
  struct Axis;
  bool check_together(const ConfigTableReader& table) const;
  void check_placeholders(const ConfigTableReader& table) const;
  const std::vector<Rule>* recipe_rules(const ConfigTableReader& table, const ConfigValue& file);
  void set(ConfigVariant& variant, std::string_view key, const ConfigValue& value,
           const ConfigTableReader& table);
  ConfigVariant make(const ConfigTableReader& table, const std::vector<Axis>& axes,
                     const std::vector<size_t>& chosen);

  const ConfigFiles& files_;
  bool only_table_;
  TomlProblems& problems_;
  std::map<std::string, std::vector<Rule>>
      recipes_;  // by name; empty for one that has problems, which are told once
};

}  // namespace fakequant
