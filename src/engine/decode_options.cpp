#include "engine/decode_options.h"

namespace fakequant {

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
