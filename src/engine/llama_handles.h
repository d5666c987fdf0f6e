#pragma once
// llama.cpp's contexts and ggml's threads as things that are freed by themselves, and what every context of ours
// is made with. For engine/'s own files only.

#include <ggml-cpu.h>
#include <llama.h>

#include <memory>

#include "engine/chunk_decoder.h"

namespace fakequant {

struct FreeContext {
  void operator()(llama_context* context) const { llama_free(context); }
};
using ContextHandle = std::unique_ptr<llama_context, FreeContext>;

struct FreeThreadPool {
  void operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
};
using ThreadPoolHandle = std::unique_ptr<ggml_threadpool, FreeThreadPool>;

// Threads that sleep while they wait for work instead of spinning: on a busy machine that is an order faster.
ThreadPoolHandle make_thread_pool(int threads);

// Sets threads, flash attention and the types of the cache, and what is the same for all.
void set_decode_options(llama_context_params& params, const DecodeOptions& options);

}  // namespace fakequant
