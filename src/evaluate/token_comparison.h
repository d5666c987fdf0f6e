#pragma once
// One scored token: how far a model's distribution over the next token is from the baseline's. Knows no chunks and no texts.

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "evaluate/log_likelihood.h"

namespace fakequant {

// The baseline's row for one token: ln p_i = (values_i - normalizer.largest) - normalizer.log_sum. Logits and what log_normalizer() says
// of them; or log-probabilities from a file, which are used as they are, with LogNormalizer{}.
struct BaselineRow {
  std::span<const float> values;
  LogNormalizer normalizer;
  // Log-probabilities not above it carry no weight, because a file does not know them; none for logits, of which nothing is left out.
  float floor = -std::numeric_limits<float>::infinity();
};

// p: the model's probabilities; b: the baseline's. Logarithms are natural.
struct TokenComparison {
  double nats = 0;           // -ln p of the label
  double nats_baseline = 0;  // -ln b of the label
  double kld = 0;            // sum of b (ln b - ln p) over the vocabulary, in nats
  double p_diff = 0;         // p - b of the label
  double confidence = 0;     // the baseline's largest probability
  double margin = 0;         // that less its second largest
  double entropy = 0;        // -sum of p ln p, in nats
  double entropy_baseline = 0;
  bool same_top = true;  // both find the same token most likely, the first one where several are

  // False when logits are NaN or +Inf, or when the model makes something impossible that is possible for the baseline or came.
  bool is_finite() const { return std::isfinite(nats) && std::isfinite(nats_baseline) && std::isfinite(kld); }
};

// Compares one row of logits with the baseline's, over the whole vocabulary.
//
//   shapes    as many logits as values (checked), at least one; `label` is the index of the token that came (checked)
//   nats      the same bits as negative_log_likelihood() of the same logits, for model and baseline
//   rounding  kld, confidence, margin and entropies: exponentials and sums in F64, relative to each row's own sum, so that the error of
//             a kld is about 1e-15 and not one of F32's; the same bits at every SIMD level. Equal logits give exactly 0 in kld and p_diff,
//             and equal entropies.
//   range     kld is never below 0 for logits; a file's rows do not sum to 1, and then it may be. A probability below
//             exp(-700) times the row's largest is 0.
//   Inf       a logit of -Inf is a probability of 0 and adds nothing to the baseline's sums; kld is +Inf when only the model has it
//   NaN       nats, nats_baseline and kld are NaN as the logits are: ask is_finite()
//
// Allocates nothing; rows may be compared in parallel.
TokenComparison compare_token(const BaselineRow& baseline, std::span<const float> logits, int32_t label);

}  // namespace fakequant
