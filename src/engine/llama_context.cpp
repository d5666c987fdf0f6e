#include "engine/llama_context.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/guard.h"
#include "engine/llama_log.h"

namespace fakequant {

namespace {

llama_flash_attn_type llama_flash_attention(FlashAttention choice) {
  switch (choice) {
    case FlashAttention::off:
      return LLAMA_FLASH_ATTN_TYPE_DISABLED;
    case FlashAttention::on:
      return LLAMA_FLASH_ATTN_TYPE_ENABLED;
    case FlashAttention::automatic:
      break;
  }
  return LLAMA_FLASH_ATTN_TYPE_AUTO;
}

ThreadPoolHandle make_thread_pool(int threads) {
  ggml_threadpool_params params = ggml_threadpool_params_default(threads);
  params.poll = 0;
  return ThreadPoolHandle(ggml_threadpool_new(&params));
}

}  // namespace

LlamaContext::LlamaContext(const LoadedModel& model, const DecodeOptions& options, const ContextSize& size)
    : pool_(make_thread_pool(options.threads)), batch_(size.batch) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(size.context);
  params.n_batch = static_cast<uint32_t>(size.batch);
  params.n_seq_max = static_cast<uint32_t>(size.sequences);
  params.n_threads = options.threads;
  params.n_threads_batch = options.threads;
  params.flash_attn_type = llama_flash_attention(options.flash_attention);
  params.type_k = static_cast<ggml_type>(options.cache_k);
  params.type_v = static_cast<ggml_type>(options.cache_v);
  params.swa_full = false;
  LlamaLog log;
  CrashGuard guard(model.path(), "preparing to run it");
  context_.reset(llama_init_from_model(model.get(), params));
  if (context_ == nullptr)
    throw Error("{}", llama_failure(model.path(), "llama.cpp cannot run this model as asked", log));
  if (llama_get_memory(get()) == nullptr) {
    throw Error("{}: found a model without memory of earlier tokens, wanted one that predicts the next",
                printable(model.path()));
  }
  llama_attach_threadpool(get(), pool_.get(), pool_.get());
}

}  // namespace fakequant
