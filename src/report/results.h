#pragma once
// What measurements found, as plain values, each with the journal line that it stands in. Knows docs/journal.md; not how anything was
// measured, what it means or how it is shown.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/fields.h"

namespace fakequant::report {

// A number with its standard errors. What is not finite, or was not measured, is nothing.
struct Estimate {
  std::optional<double> value;
  std::optional<double> error_tokens;  // as if tokens were independent
  std::optional<double> error_chunks;  // by jackknife over chunks

  // The error to judge by: over chunks where there is one, else over tokens.
  std::optional<double> error() const { return error_chunks ? error_chunks : error_tokens; }
};

struct BitCount {
  uint64_t bits = 0;
  uint64_t weights = 0;

  // 0 where there are no weights.
  double per_weight() const {
    return weights == 0 ? 0 : static_cast<double>(bits) / static_cast<double>(weights);
  }
};

struct HistogramBar {
  double lower;
  double upper;
  double count;
};

// A tensor as it is in the model: an element of `tensors` of an `inspect` record.
struct InspectedTensor {
  std::string name;
  std::string type;
  std::string role;
  std::optional<size_t> layer;
  std::vector<uint64_t> shape;
  uint64_t count = 0;
  std::string effective_precision;
  std::optional<double> low16_zero_fraction;
  std::optional<double> min, max, mean, std, kurtosis, largest_outlier_std;
};

struct Inspection {
  size_t line = 0;
  uint64_t file_bytes = 0;
  std::vector<InspectedTensor> tensors;
};

// The measures of docs/terms.md, o before and q after.
struct DifferenceMeasures {
  uint64_t count = 0;
  uint64_t changed_count = 0;
  std::optional<double> max_abs, mean_abs, max_rel, mean_rel, rmse, snr_db, cosine;
  uint64_t new_nonfinite = 0;
  uint64_t nonfinite_count = 0;
  double store_max_abs = 0;
  uint64_t store_changed_count = 0;
  uint64_t saturated_infinities = 0;
};

struct TensorDifference {
  std::string name;
  std::string format;
  std::string rule;
  std::string type_before, type_after;
  std::string role;
  std::optional<size_t> layer;
  double bits_per_weight = 0;
  DifferenceMeasures measures;
  std::string effective_before, effective_after;
  std::vector<HistogramBar> before, after, abs_difference;
};

struct FileDifference {
  uint64_t bytes_before = 0, bytes_after = 0;
  uint64_t types_changed = 0, tensors_changed = 0, tensors_identical = 0;
  bool metadata_identical = true;
};

struct DifferenceResult {
  size_t line = 0;
  DifferenceMeasures total;
  std::vector<TensorDifference> tensors;
  std::vector<std::string> skipped;  // tensors that do not fit their format
  FileDifference file;
};

struct LoadResult {
  size_t line = 0;
  uint64_t tokens_generated = 0;
  std::string text;
  uint64_t nonfinite = 0;  // 1 where llama.cpp computed NaN or Inf
  std::optional<double> seconds;
};

struct PerplexityResult {
  size_t line = 0;
  size_t model = 0;  // into RunReport::models
  size_t text = 0;   // into RunReport::texts
  uint64_t chunks = 0, scored_tokens = 0;
  Estimate perplexity;
};

struct ConfidenceBucket {
  double from, below;  // of the baseline's largest probability
  uint64_t tokens;
  std::optional<double> kld_mean;
  uint64_t flips;
};

struct Quantile {
  double share;  // of the tokens that lie below: 0.99; 1 is the largest
  std::optional<double> value;
};

struct ChunkMeasures {
  std::optional<double> ln_ppl_ratio, kld_mean;
};

struct DivergenceResult {
  size_t line = 0;
  size_t text = 0;  // into RunReport::texts
  uint64_t chunks = 0, scored_tokens = 0;
  Estimate perplexity, baseline_perplexity;
  Estimate ln_ppl_ratio, kld_mean, same_top, entropy_shift, p_diff_mean;
  std::optional<double> cvar_1pct, kld_max;
  std::vector<Quantile> kld_quantiles;  // ascending, smallest and largest included
  uint64_t flips = 0;
  double flip_share = 0;
  std::vector<ConfidenceBucket> by_confidence;
  std::vector<ChunkMeasures> per_chunk;
  uint64_t changed_count = 0;  // of weights, in memory
  std::vector<std::string> unused_tensors;
  bool all_unused = false;
};

struct Candidate {
  std::string name;
  std::optional<double> baseline_probability, variant_probability;
};

struct TextPair {
  std::string prompt;
  double temperature = 0;
  std::optional<uint64_t> seed;
  std::string baseline, variant;
  uint64_t baseline_tokens = 0, variant_tokens = 0;
  bool identical = false;
  std::optional<double> equal_token_share, teacher_forcing_share;
  // Where they part: tokens before it, bytes of text before it (the same in both), and what each took.
  std::optional<uint64_t> token_index, text_bytes;
  bool near_tie = false;
  Candidate baseline_candidate, variant_candidate;
};

struct GenerationResult {
  size_t line = 0;
  std::vector<TextPair> texts;
  uint64_t identical = 0, near_ties = 0;
  std::optional<double> equal_token_share, teacher_forcing_share;
};

struct Interval {
  double low, high, coverage;
};

struct SpeedMeasure {
  std::optional<double> baseline, variant;  // medians: tokens per second; of loading, seconds
  std::optional<double> ratio;              // how many times as fast
  std::optional<Interval> interval;         // of the ratio
  bool differs = false;                     // 1 lies outside of the interval
};

struct SpeedResult {
  size_t line = 0;
  uint64_t repetitions = 0, threads = 0;
  std::optional<SpeedMeasure> load;
  std::string load_note;
  SpeedMeasure prompt, generation;
};

// Each reads the `result` of a record of its kind; `line` and `text` are the caller's. Throws Error as Fields.
Inspection read_inspection(const Fields& result);
DifferenceResult read_difference(const Fields& result);
LoadResult read_load(const Fields& result);
PerplexityResult read_perplexity(const Fields& result);
DivergenceResult read_divergence(const Fields& result);
GenerationResult read_generation(const Fields& result);
SpeedResult read_speed(const Fields& result);

}  // namespace fakequant::report
