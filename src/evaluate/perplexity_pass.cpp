#include "evaluate/perplexity_pass.h"

#include <fmt/format.h>

#include <cmath>
#include <mutex>
#include <vector>

#include "base/text.h"
#include "evaluate/log_likelihood.h"

namespace fakequant {

namespace {

// Takes what chunks give in any order, from several threads, and adds it up in the order of the text.
class OrderedSum {
 public:
  OrderedSum(size_t chunks, const std::function<void(const PerplexitySum&)>& progress)
      : nats_(chunks), progress_(progress) {}

  void add(size_t chunk, std::vector<double> nats) {
    std::lock_guard lock(mutex_);
    nats_[chunk] = std::move(nats);
    size_t before = added_;
    for (; added_ < nats_.size() && !nats_[added_].empty(); ++added_) sum_.add_chunk(nats_[added_]);
    if (added_ > before) progress_(sum_);
  }

  const PerplexitySum& sum() const { return sum_; }

 private:
  std::mutex mutex_;
  std::vector<std::vector<double>> nats_;  // by chunk; empty until they come
  size_t added_ = 0;
  PerplexitySum sum_;
  const std::function<void(const PerplexitySum&)>& progress_;
};

}  // namespace

std::string not_finite(const std::string& model, const ChunkDecoder& decoder, size_t chunk_index,
                       size_t label_index, double nats) {
  return fmt::format(
      "{}: chunk {}, position {}: found {} as -ln of the next token's probability, wanted a finite number; "
      "the model computes NaN or Inf",
      printable(model), chunk_index + 1, static_cast<size_t>(decoder.first_position()) + label_index,
      std::isnan(nats) ? "NaN" : "Inf");
}

void check_finite(const std::string& model, const ChunkDecoder& decoder, size_t chunk_index,
                  std::span<const double> nats) {
  for (size_t i = 0; i < nats.size(); ++i) {
    if (!std::isfinite(nats[i]))
      throw NonFiniteError("{}", not_finite(model, decoder, chunk_index, i, nats[i]));
  }
}

PerplexitySum measure_perplexity(DecoderList decoders, std::span<const int32_t> tokens, size_t chunks,
                                 const std::function<void(const PerplexitySum&)>& progress) {
  OrderedSum sum(chunks, progress);
  decode_chunks(decoders, tokens, {0, chunks}, [&](const DecodedChunk& chunk) {
    std::vector<double> nats(chunk.labels.size());
    for (size_t i = 0; i < nats.size(); ++i) nats[i] = negative_log_likelihood(chunk.row(i), chunk.labels[i]);
    check_finite(decoders[0]->model_path(), *decoders[0], chunk.index, nats);
    sum.add(chunk.index, std::move(nats));
  });
  return sum.sum();
}

}  // namespace fakequant
