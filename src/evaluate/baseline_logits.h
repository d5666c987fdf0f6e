#pragma once
// What a baseline says of a text, a stage of chunks at a time: its logits, kept in memory as far as they may be, so that comparisons
// one after the other decode them once. Compares nothing.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "evaluate/chunk_pass.h"
#include "evaluate/logits_file.h"
#include "evaluate/perplexity.h"
#include "evaluate/variant.h"

namespace fakequant {

// What variants are compared with: exactly one of the two.
struct Baseline {
  const Variant* variant = nullptr;
  const LogitsFile* file = nullptr;
};

struct ComparisonText {
  std::span<const int32_t> tokens;  // of the whole text
  size_t chunks;                    // the first of it are compared
};

class BaselineLogits {
 public:
  // Decodes nothing yet.
  //
  //   baseline  what it names must outlive the result; of a file, its tokens and context are the text's (checked)
  //   reader    one of the decoders that read the text: the baseline's, or of a file any variant's. Says how chunks are grouped
  //   text      its tokens must outlive the result
  //   bytes     how much memory the logits may take: at least one group's (checked). A text whose logits take no more is one stage and
  //             stays; of a longer one each stage takes the place of the one before. Logits in a file take none
  BaselineLogits(const Baseline& baseline, const ChunkDecoder& reader, const ComparisonText& text,
                 uint64_t bytes);
  BaselineLogits(const BaselineLogits&) = delete;
  BaselineLogits& operator=(const BaselineLogits&) = delete;

  const Baseline& baseline() const { return baseline_; }
  const ChunkDecoder& reader() const { return reader_; }
  const ComparisonText& text() const { return text_; }

  size_t stage_count() const { return (text_.chunks + stage_chunks_ - 1) / stage_chunks_; }
  ChunkRange range(size_t stage) const;
  // Whether comparisons after the first decode nothing of the baseline.
  bool keeps_all() const { return baseline_.file != nullptr || stage_count() == 1; }

  // Makes a stage the present one: decodes it unless it is. Throws NonFiniteError where the baseline computes NaN or Inf, and what
  // decode_chunks throws; then there is no present stage.
  void open(size_t stage);
  // Adds the chunks of the present stage to a sum; of a file nothing: it knows no perplexity but through compare_token().
  void add_to(PerplexitySum& sum) const;
  // Calls visit(label index, row) for every scored token of a chunk of the present stage. From several threads at once.
  void visit_rows(size_t chunk_index, const std::function<void(size_t, const BaselineRow&)>& visit) const;
  // Frees the present stage unless keeps_all().
  void release();

 private:
  struct Chunk {
    std::vector<float> logits;
    std::vector<LogNormalizer> normalizers;  // of each row
    std::vector<double> nats;
  };

  void keep(const DecodedChunk& decoded);
  void visit_file(size_t chunk_index, const std::function<void(size_t, const BaselineRow&)>& visit) const;

  Baseline baseline_;
  const ChunkDecoder& reader_;
  ComparisonText text_;
  size_t rows_per_chunk_;
  size_t vocabulary_size_;
  size_t stage_chunks_;
  std::optional<size_t> present_;
  std::vector<Chunk> chunks_;  // of the present stage
};

// How many bytes the logits of a text's chunks take, in whole groups.
uint64_t logits_bytes_of(const ChunkDecoder& reader, size_t chunks);

// How much memory the logits of several texts get, of `total` bytes that hold a group (checked), when comparisons of all of them follow
// each other: short texts are kept whole, as many as leave a group; the others use what is left one after the other.
//
//   wanted   logits_bytes_of() each text
//   returns  for each text what BaselineLogits takes as `bytes`
std::vector<uint64_t> share_logits_bytes(uint64_t total, std::span<const uint64_t> wanted, uint64_t group);

}  // namespace fakequant
