#pragma once
// The options of evaluate for texts and speed, and the work that they ask for. Does not know where models and
// variants come from.

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "evaluate/text_measurements.h"

namespace fakequant::cli {

// Stands for the built-in prompts where a file of them is expected.
inline constexpr std::string_view kDefaultPrompts = "default";

struct TextOptions {
  std::string prompts;  // a file, or `default`; "" when none were asked for
  bool chat = false;
  bool speed = false;
  size_t repetitions = SpeedOptions{}.repetitions;

  bool asked() const { return speed || !prompts.empty(); }
  bool reads_file() const { return !prompts.empty() && prompts != kDefaultPrompts; }
};

// Adds --prompts, --chat, --speed and --repetitions.
void add_text_options(CLI::App& app, TextOptions& options);

// The prompts that were asked for, none or more. Reads and checks the file: before any model is loaded.
std::vector<PromptRun> read_prompts(const TextOptions& options);

// What the options ask for, of a session's variants or of each model by itself. `threads` is what -t says, 0 for nothing.
TextWork text_work(const TextOptions& options, const DecodeOptions& decode, int threads);

// Measures with progress bars.
TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const TextWork& work,
                               const CommonOptions& common);

// Prints what was measured.
void print_measurements(const TextMeasurements& measured);

}  // namespace fakequant::cli
