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

#include "evaluate/baseline_logits.h"
#include "evaluate/divergence.h"

namespace fakequant {

// A variant against the baseline.
struct VariantComparison {
  DivergenceSum divergence;  // with the perplexities of both
  double seconds = 0;        // that its own decoding and comparing took
  // Why it was given up: it computes NaN or Inf. Then the sum holds the stages before.
  std::optional<std::string> failure;
};

struct ComparisonResult {
  PerplexitySum baseline;
  double baseline_seconds = 0;              // that decoding it took; next to none where its logits were kept
  std::vector<VariantComparison> variants;  // as they were given
};

// A stage that one model has done.
struct ComparisonStep {
  uint64_t tokens;                // of the stage
  std::optional<size_t> variant;  // which; nothing for the baseline
  const ComparisonResult* so_far;
};

// Compares variants on the text of `baseline`, whose logits stay there as far as it keeps them. Comparisons of other variants may
// follow: nothing of an earlier one is left.
//
//   variants  of one vocabulary with the baseline, all decoders with its context and groups (checked)
//   progress  is called after every stage of the baseline, kept or decoded, and of each variant that has not failed. What it throws ends
//             the comparison, with all weights as they were
//   throws    Error where the baseline computes NaN or Inf; a variant that does is told of in its result
//
// Depends on neither the memory for logits nor the number of decoders, but for what the sum of a variant that was given up holds.
ComparisonResult compare_variants(BaselineLogits& baseline, std::span<const Variant> variants,
                                  const std::function<void(const ComparisonStep&)>& progress);

// The same once, with `logits_bytes` for the baseline's logits: more lets more decoders work at the same time and switches less often
// between variants. Of a file at least one variant (checked).
ComparisonResult compare_variants(const Baseline& baseline, std::span<const Variant> variants,
                                  const ComparisonText& text, uint64_t logits_bytes,
                                  const std::function<void(const ComparisonStep&)>& progress);

}  // namespace fakequant
