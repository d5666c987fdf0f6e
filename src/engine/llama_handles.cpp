#include "engine/llama_handles.h"

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

}  // namespace

ThreadPoolHandle make_thread_pool(int threads) {
  ggml_threadpool_params params = ggml_threadpool_params_default(threads);
  params.poll = 0;
  return ThreadPoolHandle(ggml_threadpool_new(&params));
}

void set_decode_options(llama_context_params& params, const DecodeOptions& options) {
  params.n_threads = options.threads;
  params.n_threads_batch = options.threads;
  params.flash_attn_type = llama_flash_attention(options.flash_attention);
  params.type_k = static_cast<ggml_type>(options.cache_k);
  params.type_v = static_cast<ggml_type>(options.cache_v);
  params.swa_full = false;
}

}  // namespace fakequant
