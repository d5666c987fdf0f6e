#pragma once
// Whether a model's cache of keys and values can have the types that an experiment asks for, as far as the model's header
// tells: before anything is loaded.

#include "experiment/config.h"
#include "gguf/shards.h"

namespace fakequant {

// Throws Error when a type's blocks do not divide the heads of the model, and for a quantized cache of values without flash attention: llama.cpp
// has no cache like that. Says nothing of models whose header does not tell the size of their heads.
void check_cache_types(const Model& model, TensorType cache_k, TensorType cache_v,
                       FlashAttention flash_attention);

}  // namespace fakequant
