#pragma once
// Divergence: how far a model is from a baseline over a text, with all that llama-perplexity --kl-divergence tells and with errors that
// respect chunks. Knows numbers of tokens, neither models nor texts.

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/perplexity.h"
#include "evaluate/token_comparison.h"

namespace fakequant {

// A number with two standard errors. An error that does not exist is nothing, never 0; it is 0 where every token (or chunk) gives the same.
struct Uncertain {
  double value = 0;
  // As if tokens were independent: llama-perplexity's +/-. From two tokens on, where llama-perplexity says 0 up to ten.
  std::optional<double> error_tokens;
  // Jackknife over chunks; nothing below kLeastJackknifeChunks.
  std::optional<double> error_chunks;
};

// Quantiles interpolate between sorted values: fraction f of n values stands at place f (n - 1), counted from 0.
inline constexpr std::array kQuantileFractions{0.999, 0.99, 0.95, 0.9,  0.75, 0.5,
                                               0.25,  0.1,  0.05, 0.01, 0.001};

struct Distribution {
  double maximum = 0;
  std::array<double, kQuantileFractions.size()> quantiles{};  // of kQuantileFractions
  double minimum = 0;

  // The quantile of one of kQuantileFractions (checked).
  double at(double fraction) const;
};

// Where buckets of the baseline's confidence end: the first is [0, 0.1), the last [0.99, 1].
inline constexpr std::array kConfidenceBounds{0.1, 0.3, 0.5, 0.7, 0.9, 0.99};

// The tokens for which the baseline's largest probability is at least `from` and below `below`.
struct ConfidenceBucket {
  double from = 0;
  double below = 0;  // of the last bucket 1, which is part of it
  size_t token_count = 0;
  size_t flip_count = 0;
  double kld_sum = 0;

  std::optional<double> kld_mean() const;  // nothing for an empty bucket
};

// Q is the model, base the baseline; means are over scored tokens.
struct DivergenceEstimate {
  size_t token_count = 0;
  size_t chunk_count = 0;
  PerplexityEstimate model;     // PPL(Q)
  PerplexityEstimate baseline;  // PPL(base)
  // Of the nats of both, token by token; nothing where one of them has no spread.
  std::optional<double> correlation;
  Uncertain ln_ppl_ratio;    // ln(PPL(Q) / PPL(base)): the mean of nats - nats_baseline
  Uncertain ppl_ratio;       // PPL(Q) / PPL(base)
  Uncertain ppl_difference;  // PPL(Q) - PPL(base)

  Uncertain kld;  // mean
  Distribution klds;
  double kld_cvar_1pct = 0;  // mean of the largest 1 % of klds, rounded up to whole tokens

  Uncertain p_diff;  // mean of p - b of the token that came
  Distribution p_diffs;
  Uncertain p_diff_rms;  // square root of the mean of squares

  Uncertain same_top;           // share of tokens for which both find the same token most likely
  size_t flip_count = 0;        // tokens for which they do not
  double flips_by_margin = 0;   // mean of the baseline's margin where they do not, of 0 elsewhere
  double entropy = 0;           // mean of the model's, in nats
  double entropy_baseline = 0;  // mean of the baseline's
  Uncertain entropy_shift;      // entropy - entropy_baseline
  std::array<ConfidenceBucket, kConfidenceBounds.size() + 1> by_confidence;
};

// Means over the scored tokens of one chunk.
struct ChunkDivergence {
  double nats = 0;
  double nats_baseline = 0;
  double kld = 0;
  double p_diff = 0;
  double same_top = 0;
};

// Adds up the tokens of chunks in the order in which they come. All chunks have the same number of scored tokens. Keeps two F32 of each
// token, kld and p_diff for their quantiles; all sums are of F64.
class DivergenceSum {
 public:
  // Of finite comparisons (checked): whoever has others says where they are.
  void add_chunk(std::span<const TokenComparison> tokens);

  // Of at least one chunk (checked).
  DivergenceEstimate estimate() const;
  const PerplexitySum& model() const { return model_; }
  const PerplexitySum& baseline() const { return baseline_; }
  const std::vector<ChunkDivergence>& chunks() const { return chunks_; }
  size_t token_count() const { return model_.token_count(); }
  double kld_so_far() const;  // mean; of at least one chunk (checked)

 private:
  using Buckets = std::array<ConfidenceBucket, kConfidenceBounds.size() + 1>;

  // Sums of a quantity, of its squares and within each chunk; `count` is the number of tokens.
  struct Moments {
    double sum = 0;
    double squares = 0;
    std::vector<double> chunk_sums;

    void add_chunk(std::span<const double> values);
    double mean(size_t count) const;
    double variance_of_mean(size_t count) const;   // of at least two tokens (checked)
    Uncertain uncertain(size_t count) const;       // the mean
    Uncertain uncertain_root(size_t count) const;  // of the mean
  };

  static Buckets empty_buckets();
  void add_token(const TokenComparison& token);
  void estimate_perplexities(DivergenceEstimate& result) const;

  PerplexitySum model_;
  PerplexitySum baseline_;
  Moments nats_;
  Moments nats_baseline_;
  Moments nats_difference_;
  double baseline_times_difference_ = 0;  // sum of nats_baseline x (nats - nats_baseline)
  Moments kld_;
  Moments p_diff_;
  Moments p_diff_squares_;
  Moments same_top_;
  Moments entropy_shift_;
  double margin_of_flips_ = 0;
  double entropy_ = 0;
  double entropy_baseline_ = 0;
  Buckets by_confidence_ = empty_buckets();
  std::vector<float> klds_;
  std::vector<float> p_diffs_;
  std::vector<ChunkDivergence> chunks_;
};

}  // namespace fakequant
