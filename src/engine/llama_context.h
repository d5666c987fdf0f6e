#pragma once
// A llama.cpp context with the threads that it works with and a batch, as every decoder of ours has one; and what frees
// them. For engine/'s own files only.

#include <ggml-cpu.h>
#include <llama.h>

#include <memory>

#include "engine/decode_options.h"
#include "engine/model.h"

namespace fakequant {

struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
using ContextHandle = std::unique_ptr<llama_context, FreeContext>;

struct FreeThreadPool {
  void operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
};
using ThreadPoolHandle = std::unique_ptr<ggml_threadpool, FreeThreadPool>;

// Room for tokens of one sequence each.
class LlamaBatch {
 public:
  explicit LlamaBatch(int tokens) : batch_(llama_batch_init(tokens, 0, 1)) {}
  ~LlamaBatch() { llama_batch_free(batch_); }
  LlamaBatch(const LlamaBatch&) = delete;
  LlamaBatch& operator=(const LlamaBatch&) = delete;

  llama_batch& get() { return batch_; }

 private:
  llama_batch batch_;
};

// Tokens: of the whole context, of one decode; and how many sequences share the context.
struct ContextSize {
  int context;
  int batch;
  int sequences;
};

// Its threads sleep while they wait for work instead of spinning: on a busy machine that is an order faster.
class LlamaContext {
 public:
  // Takes threads, flash attention and the types of the cache from `options`, sizes from `size`. Throws Error with
  // llama.cpp's own words when it cannot work so, and for a model without memory of earlier tokens.
  LlamaContext(const LoadedModel& model, const DecodeOptions& options, const ContextSize& size);
  LlamaContext(const LlamaContext&) = delete;
  LlamaContext& operator=(const LlamaContext&) = delete;

  llama_context* get() const { return context_.get(); }
  llama_batch& batch() { return batch_.get(); }  // room for size.batch tokens

 private:
  // Destroyed last first: the context before the threads that it works with.
  ThreadPoolHandle pool_;
  ContextHandle context_;
  LlamaBatch batch_;
};

}  // namespace fakequant
