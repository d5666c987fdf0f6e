#pragma once
// Reads tokens through a loaded model one after the other and hands on the logits of what may come next. Knows no
// prompts and no measures.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/decode_options.h"
#include "engine/model.h"
#include "engine/token_sampler.h"

namespace fakequant {

class LlamaContext;

// Tokens that a model made after a prompt.
struct GeneratedTokens {
  std::vector<int32_t> tokens;  // the one that ended the text included
  size_t top_count = 0;         // how many of them were the most likely one
  bool ended = false;           // the model ended the text by itself
};

// One text at a time. Results do not depend on the number of threads, nor on what was read before clear().
class TextGenerator {
 public:
  // `options.context` is how many tokens of prompt and text must fit; llama.cpp rounds it up. Throws Error with
  // llama.cpp's own words when it cannot work with these options. The model must outlive the generator.
  TextGenerator(const LoadedModel& model, const DecodeOptions& options);
  ~TextGenerator();
  TextGenerator(const TextGenerator&) = delete;
  TextGenerator& operator=(const TextGenerator&) = delete;

  int context() const;                    // tokens that fit: a multiple of 256
  int position() const { return read_; }  // tokens read since clear()
  uint64_t memory_bytes() const;          // of main memory: cache and computation, without weights
  void clear();                           // forgets what was read

  // Reads `tokens` after those before, in batches of at most options.batch, and gives the logits of what comes
  // next, one for each token of the vocabulary; they are valid until the next call. `tokens` is not empty and fits
  // (checked). Throws Error when llama.cpp fails, NonFiniteError when a logit is NaN or +Inf, or all are -Inf.
  std::span<const float> read(std::span<const int32_t> tokens);

  // Makes at most `most` tokens after `prompt`, as llama-completion does: it ends with the model's own end, and
  // where the context is full. Clears first. Throws Error when `prompt` leaves no room for a token, and as read().
  GeneratedTokens generate(std::span<const int32_t> prompt, const Sampling& sampling, int most);

  // Teacher forcing: reads `prompt` and `continuation` at once and gives for each token of the continuation
  // the most likely one in its place, the first of several. Clears first; both fit (checked).
  std::vector<int32_t> most_likely(std::span<const int32_t> prompt, std::span<const int32_t> continuation);

 private:
  // Reads a batch; the logits of its tokens from `first_output` on can be had from llama.cpp then.
  void decode_batch(std::span<const int32_t> tokens, size_t first_output);
  std::span<const float> logits_at(size_t batch_index) const;

  const LoadedModel& model_;
  int batch_;
  int read_ = 0;
  std::unique_ptr<LlamaContext> llama_;
};

// The index of the largest value, the first of several. Not empty.
size_t largest(std::span<const float> values);

}  // namespace fakequant
