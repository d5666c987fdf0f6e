#pragma once
// Names of files in an experiment: found beside it, or the demo's. Reads none of them.

#include <filesystem>
#include <string>

#include "experiment/config.h"
#include "select/toml_file.h"

namespace fakequant {

class ConfigFiles {
 public:
  // `path` is the experiment file's.
  ConfigFiles(const std::string& path, const DemoFiles& demo)
      : folder_(std::filesystem::path(path).parent_path()), demo_(demo) {}

  // The paths of files that are named in the experiment file. Each throws Error, "found no file 'x'", where there is none that can be
  // read.
  std::string model(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::string other(const std::string& name) const;
  // The same of names that the command line gave.
  std::string given_model(const std::string& name) const;
  std::string given_text(const std::string& name) const;

 private:
  std::filesystem::path folder_;
  const DemoFiles& demo_;
};

}  // namespace fakequant
