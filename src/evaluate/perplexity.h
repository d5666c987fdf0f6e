#pragma once
// Perplexity: how well a model foretells the next token of a text, and how sure that number is. The arithmetic is
// that of llama-perplexity, so that every printed digit is the same.
// Knows numbers only, neither models nor texts.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/jackknife.h"

namespace fakequant {

struct PerplexityEstimate {
  double perplexity = 0;      // exp of the mean over all scored tokens
  double nats_per_token = 0;  // that mean
  // llama.cpp's +/-: the standard error as if tokens were independent; nothing when it does not exist (one token,
  // or no spread).
  std::optional<double> error_tokens;
  // A standard error that respects that the tokens of a chunk belong together: jackknife, leaving out one chunk at
  // a time; nothing below kLeastJackknifeChunks.
  std::optional<double> error_chunks;
};

// Adds up what chunks give, in the order in which they come. All chunks have the same number of scored tokens.
class PerplexitySum {
 public:
  void add_chunk(std::span<const double> nats);

  // Of at least one chunk (checked).
  PerplexityEstimate estimate() const;
  const std::vector<double>& running() const { return running_; }  // perplexity after each chunk
  size_t token_count() const { return token_count_; }

 private:
  std::optional<double> error_of_chunks() const;

  double sum_ = 0;
  double sum_of_squares_ = 0;
  size_t token_count_ = 0;
  std::vector<double> chunk_sums_;
  std::vector<double> running_;
};

// The mean over texts, each counting alike; errors as of independent texts, none where one text has none.
PerplexityEstimate macro_average(std::span<const PerplexityEstimate> texts);

}  // namespace fakequant
