#pragma once
// The options of evaluate for texts and speed, and the work that they ask for. Does not know where models and
// variants come from.

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "evaluate/generation.h"
#include "evaluate/throughput.h"

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

// What --prompts and --speed measured; nothing of what was not asked for.
struct TextMeasurements {
  std::optional<GenerationResult> generation;
  std::optional<SpeedResults> speed;
};

// Makes texts of `runs` and times, as far as asked for, the first subject being the baseline of the others.
// Types of caches and flash attention are those of `decode`. Texts are made by as many threads as there are, each its
// own; times are taken with one, or with as many as -t says.
TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const std::vector<PromptRun>& runs,
                               const TextOptions& options, const DecodeOptions& decode,
                               const CommonOptions& common);

// Prints what was measured.
void print_measurements(const TextMeasurements& measured);

// Adds the keys `generation` and `speed` to `result`, of what was measured.
void add_measurements(Json& result, const TextMeasurements& measured);

// Why a variant's texts could not be made, of the first one; nothing where all could.
std::optional<std::string> first_failure(const TextMeasurements& measured);

}  // namespace fakequant::cli
