#pragma once
// What every command has in common: the entry in the command table, the options that all take, and how
// results leave the program.

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "experiment/config.h"
#include "gguf/shards.h"

namespace fakequant::cli {

enum ExitCode : int { kDone = 0, kFailed = 1, kWrongUsage = 2, kLimitCrossed = 3 };

// Options that every command takes.
struct CommonOptions {
  std::string json_path;  // "" for none, "-" for standard output
  int threads = 0;        // 0: every processor
  bool quiet = false;
  bool verbose = false;

  Progress::Mode progress() const { return quiet ? Progress::Mode::silent : Progress::Mode::automatic; }
  // What a person reads is left out when standard output carries JSON, or with --quiet.
  bool prints_text() const { return !quiet && json_path != "-"; }
};

// A row of the command table. `add` describes the options on `app` and returns what to run after parsing; the
// function returns an exit code.
struct Command {
  const char* name;
  const char* summary;
  bool hidden;
  std::function<int()> (*add)(CLI::App& app, CommonOptions& common);
};

const std::vector<Command>& commands();

// A spelling of llama.cpp's with one dash and several letters, which CLI11 would read as several options, and the
// long option that it means.
struct ShortSpelling {
  const char* spelling;  // "-ngl"
  const char* option;    // "--n-gpu-layers"
};

std::span<const ShortSpelling> short_spellings();

// The words of a command line with those spellings, alone or before "=", replaced by the long options; words after
// "--" stay.
std::vector<std::string> with_long_options(std::vector<std::string> words);

std::function<int()> add_inspect(CLI::App& app, CommonOptions& common);
std::function<int()> add_formats(CLI::App& app, CommonOptions& common);
std::function<int()> add_quantize(CLI::App& app, CommonOptions& common);
std::function<int()> add_compare(CLI::App& app, CommonOptions& common);
std::function<int()> add_evaluate(CLI::App& app, CommonOptions& common);
std::function<int()> add_run(CLI::App& app, CommonOptions& common);
std::function<int()> add_worker(CLI::App& app, CommonOptions& common);
std::function<int()> add_report(CLI::App& app, CommonOptions& common);
std::function<int()> add_generate(CLI::App& app, CommonOptions& common);

// Adds --epsilon; `formula` is the relative error in the command's own words. Accepts finite numbers above 0.
void add_epsilon_option(CLI::App& app, double& epsilon, const std::string& formula);

// The path that a MODEL argument means: the installed demo model for "demo", else the argument itself.
std::string model_path(const std::string& argument);

// The same for a text: the installed demo text for "demo".
std::string text_path(const std::string& argument);

// What "demo" stands for in an experiment.
DemoFiles demo_files();

// Opens a MODEL argument.
Model open_model(const std::string& argument);

// Refuses a --json file before any work is done: one of `others` (inputs and outputs), one that a run is kept
// in, not a regular file, in a folder that cannot be written. An existing JSON file may be replaced.
void check_json_target(const CommonOptions& common, const std::vector<std::string>& others);

// Writes what `make_result` gives to common.json_path when there is one: whole or not at all. Text that is
// not UTF-8 is replaced. Nothing is made when no JSON was asked for: of a big model it is big.
void write_json(const CommonOptions& common, const std::function<nlohmann::ordered_json()>& make_result);

// Prints "warning: ..." to standard error unless --quiet.
void warn(const CommonOptions& common, const std::string& text);

// Version of the program and of llama.cpp, for --version.
std::string version_text();

}  // namespace fakequant::cli
