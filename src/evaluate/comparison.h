#pragma once
// Compares variants with a baseline on a text: the full distributions of every scored token, a stage of chunks at a
// time, so that they never leave memory. Knows no command line.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/divergence.h"
#include "evaluate/logits_file.h"
#include "evaluate/perplexity.h"
#include "evaluate/variant.h"

namespace fakequant {

// What variants are compared with: exactly one of the two.
struct Baseline {
  const Variant* variant = nullptr;
  const LogitsFile* file = nullptr;
};

// A variant against the baseline.
struct Comparison {
  DivergenceSum divergence;  // with the perplexities of both
  double seconds = 0;        // that its own decoding and comparing took
  // Why it was given up: it computes NaN or Inf. Then the sum holds the stages before.
  std::optional<std::string> failure;
};

struct ComparisonResult {
  PerplexitySum baseline;
  double baseline_seconds = 0;
  std::vector<Comparison> variants;  // as they were given
};

// A stage that one model has done.
struct ComparisonStep {
  uint64_t tokens;                // of the stage
  std::optional<size_t> variant;  // which; nothing for the baseline
  const ComparisonResult* so_far;
};

struct ComparisonText {
  std::span<const int32_t> tokens;  // of the whole text
  size_t chunks;                    // the first of it are compared
};

// Compares variants on a text.
//
//   variants      of one vocabulary with the baseline, all decoders with the same options (checked); of a file, its
//                 tokens and context are the text's (checked)
//   logits_bytes  how much memory the baseline's logits may take: at least one group's (checked). More lets more
//                 decoders work at the same time and switches less often between variants
//   progress      is called after every stage of the baseline and of each variant that has not failed
//   throws        Error where the baseline computes NaN or Inf; a variant that does is told of in its result
//
// Depends on neither logits_bytes nor the number of decoders, but for what the sum of a variant that was given up holds.
ComparisonResult compare_variants(const Baseline& baseline, std::span<const Variant> variants,
                                  const ComparisonText& text, uint64_t logits_bytes,
                                  const std::function<void(const ComparisonStep&)>& progress);

}  // namespace fakequant
