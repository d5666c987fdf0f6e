#include "experiment/cache_check.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace fakequant {
namespace {

Model demo() {
  return Model::open(std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf");  // heads of 32 values
}

std::string refusal(TensorType cache_k, TensorType cache_v, FlashAttention flash_attention) {
  try {
    check_cache_types(demo(), cache_k, cache_v, flash_attention);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(CheckCacheTypes, TakesWhatDividesTheHeads) {
  EXPECT_EQ(refusal(TensorType::Q8_0, TensorType::Q4_0, FlashAttention::automatic), "");
  EXPECT_EQ(refusal(TensorType::F16, TensorType::F32, FlashAttention::off), "");
}

TEST(CheckCacheTypes, RefusesBlocksThatAreLargerThanHeads) {
  EXPECT_EQ(
      refusal(TensorType::Q4_K, TensorType::F16, FlashAttention::automatic),
      "cache_k: q4_k has blocks of 256 values, found heads of 32 in this model, wanted a multiple of that");
  EXPECT_EQ(
      refusal(TensorType::F16, TensorType::Q6_K, FlashAttention::automatic),
      "cache_v: q6_k has blocks of 256 values, found heads of 32 in this model, wanted a multiple of that");
}

TEST(CheckCacheTypes, RefusesQuantizedValuesWithoutFlashAttention) {
  EXPECT_EQ(refusal(TensorType::Q8_0, TensorType::Q8_0, FlashAttention::off),
            "cache_v: q8_0 needs flash attention, found flash_attention = \"off\"");
}

}  // namespace
}  // namespace fakequant
