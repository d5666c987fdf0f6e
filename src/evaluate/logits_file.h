#pragma once
// A file that `llama-perplexity --kl-divergence-base` wrote: a text's tokens and a model's log-probabilities, as a baseline that need not
// be loaded. Knows no models: whoever uses it compares tokens and vocabulary.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "evaluate/token_comparison.h"
#include "gguf/mapped_file.h"

namespace fakequant {

// Layout: "_logits_", context U32, vocabulary I32, chunks I32; the tokens I32; then for each scored position of each chunk the step F32, the
// least log-probability F32, and a code U16 for each token of the vocabulary, padded to an even number: ln p = step x code + least.
class LogitsFile {
 public:
  // Reads header and tokens. Throws Error when the file cannot be read, is none of these, has impossible counts or tokens, or is not exactly
  // as long as its counts say.
  explicit LogitsFile(const std::string& path);

  // Whether a file begins as these do; false for one that cannot be read.
  static bool looks_like_one(const std::string& path);

  const std::string& path() const { return file_.path(); }
  int context() const { return context_; }
  size_t vocabulary_size() const { return vocabulary_size_; }
  size_t chunk_count() const { return chunk_count_; }
  size_t scored_per_chunk() const { return static_cast<size_t>(context_ - 1 - context_ / 2); }
  std::span<const int32_t> tokens() const { return tokens_; }  // context() of each chunk

  // Decodes the log-probabilities of consecutive scored tokens of a chunk into rows of vocabulary_size() values each.
  //
  //   first_row  of the chunk; 0 is the position context() / 2
  //   rows       a whole number of rows that the chunk has (checked)
  //   rounding   step x code + least in F32, the product rounded first
  //   throws     Error when the file has become shorter or a row's step or least is no possible one
  //
  // Reads two bytes for each value and keeps nothing; may be called from several threads.
  void read_rows(size_t chunk_index, size_t first_row, std::span<float> rows) const;

  // A row that read_rows() decoded, as compare_token() takes it: what is not above -16 nats carries no weight, as in llama-perplexity.
  static BaselineRow baseline_row(std::span<const float> row);

  // One sentence on what such a file leaves out, for whoever reads numbers that come from it.
  static std::string clipping();

 private:
  void check_size() const;
  void read_tokens();

  MappedFile file_;
  int context_ = 0;
  size_t vocabulary_size_ = 0;
  size_t chunk_count_ = 0;
  std::vector<int32_t> tokens_;
};

}  // namespace fakequant
