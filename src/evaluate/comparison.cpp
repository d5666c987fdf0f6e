#include "evaluate/comparison.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "engine/non_finite.h"
#include "evaluate/chunk_pass.h"
#include "evaluate/perplexity_pass.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What the baseline says of the chunks of a stage.
class BaselineStage {
 public:
  BaselineStage(const Baseline& baseline, size_t most_chunks, size_t rows_per_chunk)
      : baseline_(baseline), rows_per_chunk_(rows_per_chunk), chunks_(most_chunks) {}

  // Of a model: decodes the chunks and keeps their logits. Of a file: nothing is kept, rows are read when they are asked for.
  void decode(const ComparisonText& text, ChunkRange range, PerplexitySum& sum) {
    first_ = range.first;
    if (baseline_.file != nullptr) return;
    const RunningModel& running = *baseline_.variant->running;
    ActiveVariant active(*baseline_.variant);
    decode_chunks(running.decoders, text.tokens, range,
                  [&](const DecodedChunk& chunk) { keep(chunk, *running.decoders.front()); });
    for (size_t i = 0; i < range.count; ++i) sum.add_chunk(chunks_[i].nats);
  }

  // Calls visit(label index, row) for every scored token of a chunk. From several threads.
  template <typename Visit>
  void visit_rows(size_t chunk_index, size_t vocabulary_size, const Visit& visit) const {
    if (baseline_.file == nullptr) {
      const Chunk& chunk = chunks_[chunk_index - first_];
      for (size_t i = 0; i < rows_per_chunk_; ++i) {
        std::span<const float> row = std::span(chunk.logits).subspan(i * vocabulary_size, vocabulary_size);
        visit(i, BaselineRow{row, chunk.normalizers[i]});
      }
      return;
    }
    constexpr size_t kRowsAtOnce = 32;
    std::vector<float> rows(std::min(kRowsAtOnce, rows_per_chunk_) * vocabulary_size);
    for (size_t first = 0; first < rows_per_chunk_; first += kRowsAtOnce) {
      size_t count = std::min(kRowsAtOnce, rows_per_chunk_ - first);
      std::span<float> read = std::span(rows).first(count * vocabulary_size);
      baseline_.file->read_rows(chunk_index, first, read);
      for (size_t i = 0; i < count; ++i)
        visit(first + i, LogitsFile::baseline_row(read.subspan(i * vocabulary_size, vocabulary_size)));
    }
  }

 private:
  struct Chunk {
    std::vector<float> logits;
    std::vector<LogNormalizer> normalizers;  // of each row
    std::vector<double> nats;
  };

  void keep(const DecodedChunk& decoded, const ChunkDecoder& decoder) {
    Chunk& chunk = chunks_[decoded.index - first_];
    chunk.logits.assign(decoded.logits.begin(), decoded.logits.end());
    chunk.normalizers.clear();
    chunk.nats.clear();
    for (size_t i = 0; i < rows_per_chunk_; ++i) {
      std::span<const float> row = decoded.row(i);
      chunk.normalizers.push_back(log_normalizer(row));
      chunk.nats.push_back(
          negative_log_likelihood(row[static_cast<size_t>(decoded.labels[i])], chunk.normalizers.back()));
    }
    check_finite(baseline_.variant->name, decoder, decoded.index, chunk.nats);
  }

  const Baseline& baseline_;
  size_t rows_per_chunk_;
  size_t first_ = 0;  // chunk of the stage
  std::vector<Chunk> chunks_;
};

using ChunkComparison = std::vector<TokenComparison>;

ChunkComparison compare_chunk(const BaselineStage& stage, const DecodedChunk& chunk, const Variant& variant) {
  ChunkComparison tokens(chunk.labels.size());
  stage.visit_rows(chunk.index, chunk.vocabulary_size, [&](size_t i, const BaselineRow& row) {
    tokens[i] = compare_token(row, chunk.row(i), chunk.labels[i]);
  });
  const ChunkDecoder& decoder = *variant.running->decoders.front();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is_finite()) continue;
    if (!std::isfinite(tokens[i].nats))
      throw NonFiniteError("{}", not_finite(variant.name, decoder, chunk.index, i, tokens[i].nats));
    throw NonFiniteError(
        "{}: chunk {}, position {}: found probability 0 for a token that the baseline finds possible, wanted "
        "a finite KL divergence",
        printable(variant.name), chunk.index + 1, static_cast<size_t>(decoder.first_position()) + i);
  }
  return tokens;
}

void compare_stage(const BaselineStage& stage, const Variant& variant, const ComparisonText& text,
                   ChunkRange range, Comparison& result) {
  Clock::time_point start = Clock::now();
  std::vector<ChunkComparison> chunks(range.count);
  try {
    ActiveVariant active(variant);
    decode_chunks(variant.running->decoders, text.tokens, range, [&](const DecodedChunk& chunk) {
      chunks[chunk.index - range.first] = compare_chunk(stage, chunk, variant);
    });
    for (const ChunkComparison& chunk : chunks) result.divergence.add_chunk(chunk);
  } catch (const NonFiniteError& found) {
    result.failure = found.what();
  }
  result.seconds += seconds_since(start);
}

void check_file(const LogitsFile& file, const ComparisonText& text, const RunningModel& running) {
  FQ_CHECK(file.context() == running.decoders.front()->context());
  FQ_CHECK(file.vocabulary_size() == static_cast<size_t>(running.model.vocabulary_size()));
  FQ_CHECK(text.chunks <= file.chunk_count());
  size_t count = text.chunks * static_cast<size_t>(file.context());
  FQ_CHECK(std::ranges::equal(file.tokens().first(count), text.tokens.first(count)));
}

}  // namespace

ComparisonResult compare_variants(const Baseline& baseline, std::span<const Variant> variants,
                                  const ComparisonText& text, uint64_t logits_bytes,
                                  const std::function<void(const ComparisonStep&)>& progress) {
  FQ_CHECK((baseline.variant == nullptr) != (baseline.file == nullptr));
  FQ_CHECK(baseline.file == nullptr || !variants.empty());
  const ChunkDecoder& decoder =
      *(baseline.variant != nullptr ? *baseline.variant : variants.front()).running->decoders.front();
  for (const Variant& variant : variants) {
    const ChunkDecoder& other = *variant.running->decoders.front();
    FQ_CHECK(other.context() == decoder.context() && other.group_size() == decoder.group_size());
  }
  if (baseline.file != nullptr) check_file(*baseline.file, text, *variants.front().running);
  FQ_CHECK(logits_bytes >= decoder.group_logits_bytes());
  size_t stage_chunks = logits_bytes / decoder.group_logits_bytes() * decoder.group_size();
  BaselineStage stage(baseline, std::min(stage_chunks, text.chunks), scored_tokens(decoder));
  ComparisonResult result;
  result.variants.resize(variants.size());
  for (size_t first = 0; first < text.chunks; first += stage_chunks) {
    ChunkRange range{first, std::min(stage_chunks, text.chunks - first)};
    uint64_t tokens = range.count * static_cast<uint64_t>(decoder.context());
    Clock::time_point start = Clock::now();
    stage.decode(text, range, result.baseline);
    result.baseline_seconds += seconds_since(start);
    progress({tokens, std::nullopt, &result});
    for (size_t i = 0; i < variants.size(); ++i) {
      if (result.variants[i].failure) continue;
      compare_stage(stage, variants[i], text, range, result.variants[i]);
      progress({tokens, i, &result});
    }
  }
  return result;
}

}  // namespace fakequant
