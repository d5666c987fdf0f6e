#pragma once
// Runs chunks of tokens through a loaded model and hands on the logits of each chunk's second half, as
// llama-perplexity does: same batches, same sequences, so the same digits. Knows no measures and no texts.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/decode_options.h"
#include "engine/model.h"

struct llama_context;

namespace fakequant {

// How many chunks llama.cpp can decode together at most.
int most_chunks_together();

// Several decoders of one model may work at the same time, each in one thread.
class ChunkDecoder {
 public:
  // Throws Error with llama.cpp's own words when it cannot work with these options. The model must outlive the
  // decoder.
  ChunkDecoder(const LoadedModel& model, const DecodeOptions& options);
  ~ChunkDecoder();
  ChunkDecoder(const ChunkDecoder&) = delete;
  ChunkDecoder& operator=(const ChunkDecoder&) = delete;

  // How many chunks are decoded together: batch / context, at least 1.
  size_t group_size() const { return group_size_; }
  const std::string& model_path() const { return model_.path(); }
  int context() const { return options_.context; }
  size_t vocabulary_size() const { return vocabulary_size_; }
  int first_position() const { return options_.context / 2; }  // of the logits that are handed on

  // Decodes whole chunks, at most group_size() of them, each for itself.
  //
  //   tokens  context() tokens of each chunk, one chunk after the other; where the vocabulary puts BOS before a
  //           text, BOS stands in place of each chunk's first token
  //   visit   is called once for each chunk, in order, with its index here and its logits: a row of
  //           vocabulary_size() for each position from first_position(); they are gone when it returns
  //   throws  Error when llama.cpp fails
  //
  // The result depends on neither the number of threads nor what was decoded before. The batch size can change
  // last digits: ggml adds in another order (seen with F16 weights when a batch of several chunks exceeds 512 tokens).
  void decode(std::span<const int32_t> tokens,
              const std::function<void(size_t chunk_index, std::span<const float> logits)>& visit);

  // Bytes that hold the logits of a group of chunks.
  uint64_t group_logits_bytes() const;

  // Bytes of main memory, of a planned model those that it would take.
  struct Memory {
    uint64_t weights;  // shared by all decoders of a model
    uint64_t working;  // the decoder's own: cache, computation, the logits of a group
  };
  Memory memory() const;

 private:
  struct Parts;
  void decode_batch(std::span<const int32_t> tokens, size_t chunk_count, int start);

  const LoadedModel& model_;
  DecodeOptions options_;
  size_t group_size_;
  size_t vocabulary_size_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fakequant
