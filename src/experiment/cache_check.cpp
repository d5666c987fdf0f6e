#include "experiment/cache_check.h"

#include "base/error.h"
#include "base/text.h"
#include "gguf/metadata.h"

namespace fakequant {

namespace {

std::optional<uint64_t> fact(const Model& model, const std::string& key) {
  const MetadataEntry* entry = model.shards().front().find(model.architecture() + "." + key);
  return entry != nullptr ? as_unsigned(*entry) : std::nullopt;
}

// Values of a head: what the header says, else the width shared among the heads.
std::optional<uint64_t> head_size(const Model& model, const char* key) {
  if (std::optional<uint64_t> said = fact(model, key)) return said;
  std::optional<uint64_t> width = fact(model, "embedding_length");
  std::optional<uint64_t> heads = fact(model, "attention.head_count");
  if (!width || !heads || *heads == 0) return std::nullopt;
  return *width / *heads;
}

void check_blocks(const char* setting, TensorType type, std::optional<uint64_t> head) {
  uint64_t block = facts_of(type).block_values;
  if (!head || *head % block == 0) return;
  throw Error("{}: {} has blocks of {} values, found heads of {} in this model, wanted a multiple of that",
              setting, lower(name_of(type)), block, *head);
}

}  // namespace

void check_cache_types(const Model& model, TensorType cache_k, TensorType cache_v,
                       FlashAttention flash_attention) {
  check_blocks("cache_k", cache_k, head_size(model, "attention.key_length"));
  check_blocks("cache_v", cache_v, head_size(model, "attention.value_length"));
  bool is_quantized = facts_of(cache_v).type_class == TypeClass::quantized;
  if (is_quantized && flash_attention == FlashAttention::off)
    throw Error("cache_v: {} needs flash attention, found flash_attention = \"off\"",
                lower(name_of(cache_v)));
}

}  // namespace fakequant
