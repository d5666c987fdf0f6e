#pragma once
// One pass of a model over chunks of a text, on all of its decoders. Knows no measures.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "engine/chunk_decoder.h"

namespace fakequant {

using DecoderList = std::span<const std::unique_ptr<ChunkDecoder>>;

// A chunk of a text, with what a model says after each of its tokens from first_position on.
struct DecodedChunk {
  size_t index;                     // in the text
  std::span<const int32_t> labels;  // the tokens that were to be foretold: of first_position + 1 and on
  std::span<const float> logits;    // a row for each label; gone when the visit returns
  size_t vocabulary_size;

  std::span<const float> row(size_t i) const { return logits.subspan(i * vocabulary_size, vocabulary_size); }
};

struct ChunkRange {
  size_t
      first;  // a multiple of the decoders' group size (checked): only then are batches those of a whole pass
  size_t count;
};

// Decodes the chunks of `range`.
//
//   decoders  of one model with the same options: each takes the next group of chunks when it has finished one, in
//             a thread of its own
//   tokens    of the whole text
//   visit     is called once for each chunk, from several threads, nearly in order
//   throws    what decoders and visit throw, of several the one of the first group; no further group is begun then
void decode_chunks(DecoderList decoders, std::span<const int32_t> tokens, ChunkRange range,
                   const std::function<void(const DecodedChunk&)>& visit);

// How many labels a chunk has.
size_t scored_tokens(const ChunkDecoder& decoder);

}  // namespace fakequant
