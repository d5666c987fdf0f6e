#include "evaluate/baseline_logits.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "evaluate/perplexity_pass.h"

namespace fakequant {

namespace {

void check_file(const LogitsFile& file, const ComparisonText& text, const ChunkDecoder& reader) {
  FQ_CHECK(file.context() == reader.context());
  FQ_CHECK(file.vocabulary_size() == reader.vocabulary_size());
  FQ_CHECK(text.chunks <= file.chunk_count());
  size_t count = text.chunks * static_cast<size_t>(file.context());
  FQ_CHECK(std::ranges::equal(file.tokens().first(count), text.tokens.first(count)));
}

}  // namespace

BaselineLogits::BaselineLogits(const Baseline& baseline, const ChunkDecoder& reader,
                               const ComparisonText& text, uint64_t bytes)
    : baseline_(baseline),
      reader_(reader),
      text_(text),
      rows_per_chunk_(scored_tokens(reader)),
      vocabulary_size_(reader.vocabulary_size()),
      stage_chunks_(bytes / reader.group_logits_bytes() * reader.group_size()) {
  FQ_CHECK((baseline.variant == nullptr) != (baseline.file == nullptr));
  FQ_CHECK(bytes >= reader.group_logits_bytes());
  if (baseline.file != nullptr) check_file(*baseline.file, text, reader);
}

ChunkRange BaselineLogits::range(size_t stage) const {
  size_t first = stage * stage_chunks_;
  FQ_CHECK(first < text_.chunks);
  return {first, std::min(stage_chunks_, text_.chunks - first)};
}

void BaselineLogits::open(size_t stage) {
  if (present_ == stage) return;
  ChunkRange wanted = range(stage);
  present_.reset();
  if (baseline_.file == nullptr) {
    chunks_.resize(wanted.count);
    present_ = stage;
    try {
      ActiveVariant active(*baseline_.variant);
      decode_chunks(baseline_.variant->running->decoders, text_.tokens, wanted,
                    [&](const DecodedChunk& chunk) { keep(chunk); });
    } catch (...) {
      present_.reset();
      throw;
    }
  }
  present_ = stage;
}

void BaselineLogits::keep(const DecodedChunk& decoded) {
  Chunk& chunk = chunks_[decoded.index - range(*present_).first];
  chunk.logits.assign(decoded.logits.begin(), decoded.logits.end());
  chunk.normalizers.clear();
  chunk.nats.clear();
  for (size_t i = 0; i < rows_per_chunk_; ++i) {
    std::span<const float> row = decoded.row(i);
    chunk.normalizers.push_back(log_normalizer(row));
    chunk.nats.push_back(
        negative_log_likelihood(row[static_cast<size_t>(decoded.labels[i])], chunk.normalizers.back()));
  }
  check_finite(baseline_.variant->name, reader_, decoded.index, chunk.nats);
}

void BaselineLogits::add_to(PerplexitySum& sum) const {
  FQ_CHECK(present_);
  if (baseline_.file != nullptr) return;
  for (const Chunk& chunk : chunks_) sum.add_chunk(chunk.nats);
}

void BaselineLogits::visit_rows(size_t chunk_index,
                                const std::function<void(size_t, const BaselineRow&)>& visit) const {
  FQ_CHECK(present_);
  if (baseline_.file != nullptr) return visit_file(chunk_index, visit);
  const Chunk& chunk = chunks_[chunk_index - range(*present_).first];
  for (size_t i = 0; i < rows_per_chunk_; ++i) {
    std::span<const float> row = std::span(chunk.logits).subspan(i * vocabulary_size_, vocabulary_size_);
    visit(i, BaselineRow{row, chunk.normalizers[i]});
  }
}

// Nothing is kept: rows are read when they are asked for.
void BaselineLogits::visit_file(size_t chunk_index,
                                const std::function<void(size_t, const BaselineRow&)>& visit) const {
  constexpr size_t kRowsAtOnce = 32;
  std::vector<float> rows(std::min(kRowsAtOnce, rows_per_chunk_) * vocabulary_size_);
  for (size_t first = 0; first < rows_per_chunk_; first += kRowsAtOnce) {
    size_t count = std::min(kRowsAtOnce, rows_per_chunk_ - first);
    std::span<float> read = std::span(rows).first(count * vocabulary_size_);
    baseline_.file->read_rows(chunk_index, first, read);
    for (size_t i = 0; i < count; ++i)
      visit(first + i, LogitsFile::baseline_row(read.subspan(i * vocabulary_size_, vocabulary_size_)));
  }
}

void BaselineLogits::release() {
  if (keeps_all()) return;
  present_.reset();
  chunks_ = {};
}

uint64_t logits_bytes_of(const ChunkDecoder& reader, size_t chunks) {
  return (chunks + reader.group_size() - 1) / reader.group_size() * reader.group_logits_bytes();
}

std::vector<uint64_t> share_logits_bytes(uint64_t total, std::span<const uint64_t> wanted, uint64_t group) {
  FQ_CHECK(total >= group);
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return wanted[i]; });
  std::vector<uint64_t> shares(wanted.size());
  uint64_t left = total;
  for (size_t place = 0; place < order.size(); ++place) {
    bool is_last = place + 1 == order.size();
    uint64_t bytes = wanted[order[place]];
    // All after this one share what it leaves.
    if (bytes > left || (!is_last && left - bytes < group)) {
      for (; place < order.size(); ++place) shares[order[place]] = left;
      break;
    }
    shares[order[place]] = bytes;
    left -= bytes;
  }
  return shares;
}

}  // namespace fakequant
