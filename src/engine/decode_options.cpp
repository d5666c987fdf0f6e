#include "engine/decode_options.h"

#include <algorithm>

#include "base/error.h"

namespace fakequant {
namespace {

struct FlashAttentionWord {
  const char* word;
  FlashAttention choice;
};

constexpr FlashAttentionWord kFlashAttentionWords[] = {
    {"on", FlashAttention::on}, {"off", FlashAttention::off}, {"auto", FlashAttention::automatic}};

}  // namespace

std::vector<std::string> flash_attention_words() {
  std::vector<std::string> words;
  for (const FlashAttentionWord& row : kFlashAttentionWords) words.emplace_back(row.word);
  return words;
}

const char* flash_attention_word(FlashAttention choice) {
  const auto* found = std::ranges::find(kFlashAttentionWords, choice, &FlashAttentionWord::choice);
  FQ_CHECK(found != std::end(kFlashAttentionWords));
  return found->word;
}

std::optional<FlashAttention> parse_flash_attention(std::string_view word) {
  for (const FlashAttentionWord& row : kFlashAttentionWords) {
    if (word == row.word) return row.choice;
  }
  return std::nullopt;
}

DecodeOptions with_caches(DecodeOptions options, const std::optional<CacheTypes>& caches) {
  if (!caches) return options;
  options.cache_k = caches->k;
  options.cache_v = caches->v;
  return options;
}

std::span<const TensorType> cache_types() {
  static constexpr TensorType kTypes[] = {TensorType::F32,    TensorType::F16,  TensorType::BF16,
                                          TensorType::Q8_0,   TensorType::Q4_0, TensorType::Q4_1,
                                          TensorType::IQ4_NL, TensorType::Q5_0, TensorType::Q5_1};
  return kTypes;
}

}  // namespace fakequant
