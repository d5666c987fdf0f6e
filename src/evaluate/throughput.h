#pragma once
// How fast models load, read a prompt and make tokens, against a baseline. Knows no reports.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/paired_times.h"
#include "evaluate/variant.h"

namespace fakequant {

// What is timed: a model in memory, and how it is loaded again.
struct SpeedSubject {
  Variant variant;
  std::function<LoadedModel()>
      load;  // from its files; none for a variant that is only in memory: it has no such time
};

struct SpeedOptions {
  size_t repetitions = 10;    // at least kLeastRepetitions
  int prompt_tokens = 512;    // that are read at once, at most what every model was trained on
  int generated_tokens = 64;  // that are read one by one, the same bound
  DecodeOptions decode;       // its context does not count
};

// Seconds now, from any fixed time on.
using SecondsClock = std::function<double()>;
SecondsClock steady_seconds();

// One kind of work of one subject.
struct SpeedMeasure {
  std::vector<double> seconds;  // by repetition
  MedianEstimate typical;       // seconds of loading, or tokens per second
  std::optional<MedianEstimate>
      ratio;  // how many times as fast as the baseline, paired by repetition; none for the
              // baseline itself
};

struct SpeedResult {
  std::string name;
  std::optional<SpeedMeasure> load;  // none: see load_note
  std::string load_note;             // why there is none
  SpeedMeasure prompt;
  SpeedMeasure generation;
};

struct SpeedResults {
  int prompt_tokens = 0;  // that were read in fact
  int generated_tokens = 0;
  int threads = 1;
  std::vector<SpeedResult> subjects;
};

// Times the subjects in turn, forward and backward, after one round that does not count. The first is the baseline.
// What is read are the same fixed tokens for all, and nothing is sampled: speed does not depend on what a model would
// say. Files are loaded from the system's cache, a second time beside the model that is in memory.
//
//   progress  is told after each piece of work, speed_work() of them; may be empty
//   throws    Error when llama.cpp fails
SpeedResults measure_throughput(std::span<const SpeedSubject> subjects, const SpeedOptions& options,
                                const SecondsClock& clock, const std::function<void()>& progress);

// How often measure_throughput() tells `progress`.
uint64_t speed_work(std::span<const SpeedSubject> subjects, const SpeedOptions& options);

}  // namespace fakequant
