#pragma once
// Texts and speed of variants together, as they are asked for; also as JSON. Knows no files and no options of a command line.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "evaluate/generation.h"
#include "evaluate/throughput.h"

namespace fakequant {

// Texts are made by as many threads as there are, each its own. Types of caches and flash attention are those of `decode`.
GenerationOptions generation_options(const DecodeOptions& decode, bool chat_template);

// Times are taken with `threads`, at least one.
SpeedOptions speed_options(const DecodeOptions& decode, size_t repetitions, int threads);

struct TextWork {
  std::vector<PromptRun> runs;  // none: no texts are made
  GenerationOptions generation = {};
  std::optional<SpeedOptions> speed = {};  // nothing: nothing is timed

  bool any() const { return !runs.empty() || speed.has_value(); }
};

// Nothing of what was not asked for.
struct TextMeasurements {
  std::optional<GenerationResult> generation;
  std::optional<SpeedResults> speed;

  // Why a variant's texts could not be made, of the first one; nothing where all could.
  std::optional<std::string> first_failure() const;
};

// Is told what begins: how much there is of it, and in which unit; then, from several threads, of what is done.
struct TextWorkListener {
  std::function<void(const char* what, uint64_t total, Progress::Unit unit)> begin;
  std::function<void(uint64_t done)> advance;
};

// Makes texts and takes times, as far as asked for, the first subject being the baseline of the others. Throws as
// measure_generation() and measure_throughput() do.
TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const TextWork& work,
                               const TextWorkListener& listener);

// Adds what was measured to the lists under `generation` and `speed` of `result`.
void add_measurements(Json& result, const TextMeasurements& measured);

}  // namespace fakequant
