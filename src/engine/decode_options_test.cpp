#include "engine/decode_options.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(FlashAttentionWords, NameEveryChoiceAndNothingElse) {
  EXPECT_EQ(flash_attention_words(), (std::vector<std::string>{"on", "off", "auto"}));
  for (FlashAttention choice : {FlashAttention::off, FlashAttention::on, FlashAttention::automatic})
    EXPECT_EQ(parse_flash_attention(flash_attention_word(choice)), choice);
  EXPECT_EQ(parse_flash_attention("On"), std::nullopt);
  EXPECT_EQ(parse_flash_attention(""), std::nullopt);
}

TEST(WithCaches, TakesThePlaceOfTheTypes) {
  DecodeOptions options;
  options.threads = 3;
  DecodeOptions changed = with_caches(options, CacheTypes{TensorType::Q8_0, TensorType::F32});
  EXPECT_EQ(changed.cache_k, TensorType::Q8_0);
  EXPECT_EQ(changed.cache_v, TensorType::F32);
  EXPECT_EQ(changed.threads, 3);
  EXPECT_EQ(with_caches(options, std::nullopt).cache_k, TensorType::F16);
}

}  // namespace
}  // namespace fakequant
