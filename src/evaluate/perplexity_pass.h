#pragma once
// The perplexity of a model in memory on a text, and what is said where it computes no numbers.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "engine/non_finite.h"
#include "evaluate/chunk_pass.h"
#include "evaluate/perplexity.h"

namespace fakequant {

// The sentence on a scored token whose -ln of probability, `nats`, is NaN or Inf.
std::string not_finite(const std::string& model, const ChunkDecoder& decoder, size_t chunk_index,
                       size_t label_index, double nats);

// Throws NonFiniteError of not_finite where `nats`, what negative_log_likelihood gave for a chunk, are not finite.
void check_finite(const std::string& model, const ChunkDecoder& decoder, size_t chunk_index,
                  std::span<const double> nats);

// Perplexity of the first `chunks` chunks of a text.
//
//   decoders  as for decode_chunks
//   tokens    of the whole text
//   progress  is called with the sum over all chunks before the first unfinished one whenever that grows
//   throws    NonFiniteError that names chunk and position where the model gives no finite probability
//
// Does not depend on the number of threads and decoders. Batch sizes change last digits, as for llama-perplexity: see
// ChunkDecoder.
PerplexitySum measure_perplexity(DecoderList decoders, std::span<const int32_t> tokens, size_t chunks,
                                 const std::function<void(const PerplexitySum&)>& progress);

}  // namespace fakequant
