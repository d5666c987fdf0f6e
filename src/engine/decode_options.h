#pragma once
// How a model is run: what every decoder and generator is made with. Knows no models.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "types/tensor_type.h"

namespace fakequant {

enum class FlashAttention { off, on, automatic };

// What people call them: "on", "off", "auto".
std::vector<std::string> flash_attention_words();
const char* flash_attention_word(FlashAttention choice);
std::optional<FlashAttention> parse_flash_attention(std::string_view word);  // nothing for other words

struct DecodeOptions {
  int context = 512;  // tokens of a chunk, at least 2
  int batch = 2048;   // tokens of one decode
  int threads = 1;
  FlashAttention flash_attention = FlashAttention::automatic;
  TensorType cache_k = TensorType::F16;
  TensorType cache_v = TensorType::F16;
};

// The types of a key-value cache.
struct CacheTypes {
  TensorType k = TensorType::F16;
  TensorType v = TensorType::F16;

  bool operator==(const CacheTypes&) const = default;
};

// The same options with other types of the cache, where there are some.
DecodeOptions with_caches(DecodeOptions options, const std::optional<CacheTypes>& caches);

// The types that llama.cpp's key-value cache can have.
std::span<const TensorType> cache_types();

}  // namespace fakequant
