#include "engine/chunk_decoder.h"

#include <fmt/format.h>
#include <llama-ext.h>
#include <llama.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "engine/guard.h"
#include "engine/llama_context.h"
#include "engine/llama_log.h"

namespace fakequant {

struct ChunkDecoder::Parts {
  LlamaContext llama;
  std::vector<float> logits = {};  // of a chunk that takes several batches
};

int most_chunks_together() {
  return static_cast<int>(llama_max_parallel_sequences());
}

ChunkDecoder::ChunkDecoder(const LoadedModel& model, const DecodeOptions& options)
    : model_(model),
      options_(options),
      group_size_(static_cast<size_t>(std::max(1, options.batch / options.context))),
      vocabulary_size_(static_cast<size_t>(model.vocabulary_size())) {
  FQ_CHECK(options.context >= 2 && options.batch >= 1 && options.threads >= 1);
  if (group_size_ > llama_max_parallel_sequences()) {
    throw Error("{}: found {} chunks of {} tokens in a batch, wanted at most {}", printable(model.path()),
                group_size_, options.context, llama_max_parallel_sequences());
  }
  int total_context = static_cast<int>(group_size_) * options.context;
  options_.batch = std::min(options.batch, total_context);
  ContextSize size{total_context, options_.batch, static_cast<int>(group_size_)};
  parts_.reset(new Parts{LlamaContext(model, options, size)});
}

ChunkDecoder::~ChunkDecoder() = default;

void ChunkDecoder::decode_batch(std::span<const int32_t> tokens, size_t chunk_count, int start) {
  llama_batch& batch = parts_->llama.batch();
  auto context = static_cast<size_t>(options_.context);
  int end = std::min(options_.context, start + options_.batch);
  int32_t count = 0;
  for (size_t chunk = 0; chunk < chunk_count; ++chunk) {
    for (int position = start; position < end; ++position, ++count) {
      bool is_bos = position == 0 && model_.adds_bos();
      batch.token[count] = is_bos ? model_.bos() : tokens[chunk * context + static_cast<size_t>(position)];
      batch.pos[count] = position;
      batch.n_seq_id[count] = 1;
      batch.seq_id[count][0] = static_cast<llama_seq_id>(chunk);
      batch.logits[count] = position >= first_position() ? 1 : 0;
    }
  }
  batch.n_tokens = count;
  LlamaLog log;
  CrashGuard guard(model_.path(), "running it");
  int result = llama_decode(parts_->llama.get(), batch);
  if (result != 0)
    throw Error("{}", llama_failure(model_.path(), fmt::format("llama_decode failed ({})", result), log));
}

void ChunkDecoder::decode(
    std::span<const int32_t> tokens,
    const std::function<void(size_t chunk_index, std::span<const float> logits)>& visit) {
  llama_context* context = parts_->llama.get();
  auto chunk_tokens = static_cast<size_t>(options_.context);
  size_t chunk_count = tokens.size() / chunk_tokens;
  FQ_CHECK(tokens.size() % chunk_tokens == 0 && chunk_count <= group_size_);
  size_t chunk_logits = static_cast<size_t>(options_.context - first_position()) * vocabulary_size_;
  llama_memory_clear(llama_get_memory(context), true);
  bool in_parts = options_.batch < options_.context;  // then a group is one chunk
  parts_->logits.clear();
  for (int start = 0; start < options_.context; start += options_.batch) {
    decode_batch(tokens, chunk_count, start);
    if (!in_parts) break;
    int scored = std::min(options_.context, start + options_.batch) - std::max(start, first_position());
    if (scored <= 0) continue;
    const float* logits = llama_get_logits(context);
    parts_->logits.insert(parts_->logits.end(), logits,
                          logits + static_cast<size_t>(scored) * vocabulary_size_);
  }
  if (in_parts) {
    FQ_CHECK(parts_->logits.size() == chunk_logits);
    visit(0, parts_->logits);
    return;
  }
  for (size_t chunk = 0; chunk < chunk_count; ++chunk) {
    auto index = static_cast<int32_t>(chunk * chunk_tokens) + first_position();
    const float* logits = llama_get_logits_ith(context, index);
    FQ_CHECK(logits != nullptr);
    visit(chunk, {logits, chunk_logits});
  }
}

uint64_t ChunkDecoder::group_logits_bytes() const {
  uint64_t rows = static_cast<uint64_t>(options_.context - first_position()) * group_size_;
  return rows * vocabulary_size_ * sizeof(float);
}

ChunkDecoder::Memory ChunkDecoder::memory() const {
  Memory memory{0, group_logits_bytes()};
  for (const auto& [buffer_type, part] : llama_get_memory_breakdown(parts_->llama.get())) {
    if (!ggml_backend_buft_is_host(buffer_type)) continue;
    memory.weights += part.model;
    memory.working += part.context + part.compute;
  }
  return memory;
}

}  // namespace fakequant
