#pragma once
// Experiments in tests: text that is read as if it stood in a folder with a few files.

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "experiment/config.h"

namespace fakequant::testing {

// One variant of the demo.
inline constexpr const char* kLeastExperiment =
    "model = 'demo'\n\n[[variant]]\ntensors = 'ffn_norm'\nformat = 'bf16'\n";

inline std::string source_path(const std::string& name) {
  return std::string(FAKEQUANT_SOURCE_DIR) + "/" + name;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A folder with a.gguf, b.gguf, here.txt (which hold nothing) and wrong.toml (a recipe with mistakes), made once.
inline const std::string& experiment_folder() {
  static const std::string folder = [] {
    std::filesystem::path made = std::filesystem::temp_directory_path() / "fakequant_experiment_test";
    std::filesystem::create_directories(made);
    for (const char* name : {"a.gguf", "b.gguf", "here.txt"}) std::ofstream(made / name) << "x";
    std::ofstream(made / "wrong.toml") << "[[rule]]\nformt = 'bf16'\n";
    return made.string();
  }();
  return folder;
}

// Of an experiment file in it, which need not be there.
inline std::string experiment_path() {
  return experiment_folder() + "/e.toml";
}

inline ConfigOverrides demo_overrides() {
  ConfigOverrides overrides;
  overrides.demo = {[] { return "data/demo.gguf"; }, [] { return "data/demo.txt"; }};
  return overrides;
}

inline ExperimentConfig read_experiment(std::string_view text) {
  return parse_experiment(text, experiment_path(), demo_overrides());
}

// What a function throws, each problem with a line end; the folder's name is FOLDER, and left out at the beginning of a line.
inline std::string without_folder(const std::function<void()>& function) {
  std::string found;
  try {
    function();
    return "";
  } catch (const Error& error) {
    found = error.what();
  }
  const std::string& folder = experiment_folder();
  for (size_t place = found.find(folder); place != std::string::npos; place = found.find(folder)) {
    bool at_begin = place == 0 || found[place - 1] == '\n';
    found.replace(place, folder.size() + (at_begin ? 1 : 0), at_begin ? "" : "FOLDER");
  }
  return found + "\n";
}

// What is wrong with an experiment.
inline std::string experiment_error(std::string_view text) {
  return without_folder([&] { read_experiment(text); });
}

}  // namespace fakequant::testing
