#include "evaluate/perplexity.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"

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

namespace {

// Where a chunk's probabilities stop being numbers, if they do.
void check_finite(const ChunkDecoder& decoder, std::span<const double> nats, size_t chunk_index) {
  for (size_t i = 0; i < nats.size(); ++i) {
    if (std::isfinite(nats[i])) continue;
    throw Error(
        "{}: chunk {}, position {}: found {} as -ln of the next token's probability, wanted a finite number; "
        "the model computes NaN or Inf (see `fakequant inspect` for its weights)",
        printable(decoder.model_path()), chunk_index + 1, static_cast<size_t>(decoder.first_position()) + i,
        std::isnan(nats[i]) ? "NaN" : "Inf");
  }
}

using ChunkNats = std::vector<double>;

// The scored tokens of each chunk of a group; `first_chunk` is for messages.
std::vector<ChunkNats> nats_of_group(ChunkDecoder& decoder, std::span<const int32_t> tokens,
                                     size_t first_chunk) {
  auto context = static_cast<size_t>(decoder.context());
  auto first = static_cast<size_t>(decoder.first_position());
  std::vector<ChunkNats> result;
  decoder.decode(tokens, [&](size_t index, std::span<const float> logits) {
    size_t width = logits.size() / (context - first);
    ChunkNats nats(context - first - 1);
    for (size_t i = 0; i < nats.size(); ++i) {
      int32_t label = tokens[index * context + first + i + 1];
      nats[i] = negative_log_likelihood(logits.subspan(i * width, width), label);
    }
    check_finite(decoder, nats, first_chunk + index);
    result.push_back(std::move(nats));
  });
  return result;
}

// Hands out groups of chunks to several threads and adds up what they give, in the order of the text.
class GroupResults {
 public:
  GroupResults(size_t group_count, const std::function<void(const PerplexitySum&)>& progress)
      : finished_(group_count), progress_(progress) {}

  std::optional<size_t> next() {
    size_t group = next_++;
    if (group >= finished_.size()) return std::nullopt;
    return group;
  }

  void stop() { next_ = finished_.size(); }

  void finish(size_t group, std::vector<ChunkNats> chunks) {
    std::lock_guard lock(mutex_);
    finished_[group] = std::move(chunks);
    size_t before = added_;
    for (; added_ < finished_.size() && !finished_[added_].empty(); ++added_) {
      for (const ChunkNats& nats : finished_[added_]) sum_.add_chunk(nats);
    }
    if (added_ > before) progress_(sum_);
  }

  const PerplexitySum& sum() const { return sum_; }

 private:
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  std::vector<std::vector<ChunkNats>> finished_;  // by group; empty until then
  size_t added_ = 0;                              // groups whose chunks are in the sum
  PerplexitySum sum_;
  const std::function<void(const PerplexitySum&)>& progress_;
};

}  // namespace

PerplexitySum measure_perplexity(std::span<const std::unique_ptr<ChunkDecoder>> decoders,
                                 std::span<const int32_t> tokens, size_t chunks,
                                 const std::function<void(const PerplexitySum&)>& progress) {
  FQ_CHECK(!decoders.empty() && chunks * static_cast<size_t>(decoders[0]->context()) <= tokens.size());
  GroupResults results((chunks + decoders[0]->group_size() - 1) / decoders[0]->group_size(), progress);
  // As many loops as decoders, not one call for each group: groups are then finished nearly in order.
  parallel_for(decoders.size(), [&](size_t worker) {
    ChunkDecoder& decoder = *decoders[worker];
    auto context = static_cast<size_t>(decoder.context());
    while (std::optional<size_t> group = results.next()) {
      size_t first_chunk = *group * decoder.group_size();
      size_t count = std::min(decoder.group_size(), chunks - first_chunk);
      try {
        results.finish(*group, nats_of_group(decoder, tokens.subspan(first_chunk * context, count * context),
                                             first_chunk));
      } catch (...) {
        results.stop();
        throw;
      }
    }
  });
  return results.sum();
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
