#include "cli/command.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/message.h"
#include "base/text.h"
#include "engine/codec.h"
#include "gguf/pending_file.h"
#include "record/run_files.h"

namespace fakequant::cli {

namespace {

constexpr const char* kDemoModel = "demo-4.6m-f16.gguf";
constexpr const char* kDemoText = "demo-wordnet-heldout.txt";

// Where the demo model and text lie: $FAKEQUANT_DATA, beside the installed program, in the source tree.
std::vector<std::string> data_folders() {
  std::vector<std::string> folders;
  if (const char* chosen = std::getenv("FAKEQUANT_DATA")) return {chosen};
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back((program.parent_path().parent_path() / "share" / "fakequant").string());
  folders.emplace_back(FAKEQUANT_SOURCE_DATA);
  return folders;
}

// The absolute path of a file that may not exist, with links resolved.
std::filesystem::path place_of(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return path;
  std::filesystem::path canonical = std::filesystem::weakly_canonical(absolute, error);
  return error ? absolute.lexically_normal() : canonical;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"inspect", "what precision each tensor really has, and what a lossless narrowing would save", false,
       add_inspect},
      {"formats", "every number format the program knows", false, add_formats},
      {"quantize", "write a fake-quantized file that stock llama.cpp loads; print the differences", false,
       add_quantize},
      {"compare", "numerical difference of two models, tensor by tensor, and of their metadata", false,
       add_compare},
      {"evaluate", "what a change of precision costs: perplexity, KL divergence, texts, speed", false,
       add_evaluate},
      {"run", "carry out an experiment, or go on with one: stages, decisions, early stop", false, add_run},
      {"worker", "make measurements for a run, which starts it", true, add_worker},
      {"report", "what a run found: the answer in words, a page with charts, tables", false, add_report},
      {"generate", "write the man page or shell completions to standard output", true, add_generate},
  };
  return table;
}

std::span<const ShortSpelling> short_spellings() {
  static constexpr ShortSpelling kSpellings[] = {{"-ngl", "--n-gpu-layers"},
                                                 {"-fa", "--flash-attn"},
                                                 {"-ctk", "--cache-type-k"},
                                                 {"-ctv", "--cache-type-v"}};
  return kSpellings;
}

std::vector<std::string> with_long_options(std::vector<std::string> words) {
  for (std::string& word : words) {
    if (word == "--") break;
    size_t end = std::min(word.find('='), word.size());
    for (const ShortSpelling& row : short_spellings()) {
      if (std::string_view(word).substr(0, end) == row.spelling) {
        word.replace(0, end, row.option);
        break;
      }
    }
  }
  return words;
}

void add_epsilon_option(CLI::App& app, double& epsilon, const std::string& formula) {
  auto read = [&epsilon](const std::string& text) {
    if (!parse_double(text, epsilon) || epsilon <= 0) {
      throw UsageError("--epsilon: found '{}', wanted a finite number above 0", printable(text));
    }
  };
  app.add_option_function<std::string>("--epsilon", read, "Relative error is " + formula + "; default 1e-12")
      ->type_name("X");
}

namespace {

std::string installed(const char* what, const char* name) {
  std::vector<std::string> folders = data_folders();
  for (const std::string& folder : folders) {
    std::string path = folder + "/" + name;
    std::error_code error;
    if (std::filesystem::exists(path, error)) return path;
  }
  throw Error("the demo {} {} is not installed: looked in {}; set FAKEQUANT_DATA to the folder that holds it", what, name,
              fmt::join(folders, " and "));
}

}  // namespace

std::string model_path(const std::string& argument) {
  return argument == kDemoName ? installed("model", kDemoModel) : argument;
}

std::string text_path(const std::string& argument) {
  return argument == kDemoName ? installed("text", kDemoText) : argument;
}

DemoFiles demo_files() {
  return {[] { return model_path(std::string(kDemoName)); }, [] { return text_path(std::string(kDemoName)); }};
}

Model open_model(const std::string& argument) {
  return Model::open(model_path(argument));
}

void check_json_target(const CommonOptions& common, const std::vector<std::string>& others) {
  if (common.json_path.empty() || common.json_path == "-") return;
  refuse_run_file(common.json_path, "--json " + printable(common.json_path));
  check_output(common.json_path, others, true, 0);
  // An output does not exist yet: it is known by its place alone.
  for (const std::string& other : others) {
    if (place_of(other) == place_of(common.json_path)) {
      throw Error("--json {}: is also a model of this command", printable(common.json_path));
    }
  }
}

void write_json(const CommonOptions& common, const std::function<nlohmann::ordered_json()>& make_result) {
  if (common.json_path.empty()) return;
  nlohmann::ordered_json result = make_result();
  std::string text = result.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  if (common.json_path == "-") {
    bool written =
        std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    if (!written) throw Error("standard output: the result could not be written");
    return;
  }
  PendingFile file(common.json_path, 0);
  file.write(0, std::as_bytes(std::span(text)));
  file.publish(true);
}

void warn(const CommonOptions& common, const std::string& text) {
  if (common.quiet) return;
  std::fflush(stdout);  // in the order in which a reader of both expects them
  write_message("warning: " + text);
}

std::string version_text() {
  return fmt::format("fakequant {}\nllama.cpp {}", FAKEQUANT_VERSION, llama_version());
}

}  // namespace fakequant::cli
