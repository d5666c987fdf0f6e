#include "evaluate/perplexity.h"

#include <cmath>

#include "base/error.h"

namespace fakequant {

void PerplexitySum::add_chunk(std::span<const double> nats) {
  FQ_CHECK(!nats.empty() && nats.size() * chunk_sums_.size() == token_count_);
  double sum = 0;
  double sum_of_squares = 0;
  for (double v : nats) {
    sum += v;
    sum_of_squares += v * v;
  }
  sum_ += sum;
  sum_of_squares_ += sum_of_squares;
  token_count_ += nats.size();
  chunk_sums_.push_back(sum);
  running_.push_back(std::exp(sum_ / static_cast<double>(token_count_)));
}

std::optional<double> PerplexitySum::error_of_chunks() const {
  if (chunk_sums_.size() < kLeastJackknifeChunks) return std::nullopt;
  auto chunk_count = static_cast<double>(chunk_sums_.size());
  double tokens_left = static_cast<double>(token_count_) * (chunk_count - 1) / chunk_count;
  std::vector<double> without;
  for (double chunk : chunk_sums_) without.push_back(std::exp((sum_ - chunk) / tokens_left));
  return jackknife_error(without);
}

PerplexityEstimate PerplexitySum::estimate() const {
  FQ_CHECK(token_count_ > 0);
  auto count = static_cast<double>(token_count_);
  PerplexityEstimate result;
  result.nats_per_token = sum_ / count;
  result.perplexity = std::exp(result.nats_per_token);
  double variance = sum_of_squares_ / count - result.nats_per_token * result.nats_per_token;
  if (variance > 0 && token_count_ > 1)
    result.error_tokens = std::sqrt(variance / (count - 1)) * result.perplexity;
  result.error_chunks = error_of_chunks();
  return result;
}

PerplexityEstimate macro_average(std::span<const PerplexityEstimate> texts) {
  FQ_CHECK(!texts.empty());
  auto count = static_cast<double>(texts.size());
  PerplexityEstimate result;
  double tokens = 0;
  double chunks = 0;
  bool all_tokens = true;
  bool all_chunks = true;
  for (const PerplexityEstimate& text : texts) {
    result.perplexity += text.perplexity / count;
    result.nats_per_token += text.nats_per_token / count;
    all_tokens = all_tokens && text.error_tokens.has_value();
    all_chunks = all_chunks && text.error_chunks.has_value();
    tokens += std::pow(text.error_tokens.value_or(0), 2);
    chunks += std::pow(text.error_chunks.value_or(0), 2);
  }
  if (all_tokens) result.error_tokens = std::sqrt(tokens) / count;
  if (all_chunks) result.error_chunks = std::sqrt(chunks) / count;
  return result;
}

}  // namespace fakequant
