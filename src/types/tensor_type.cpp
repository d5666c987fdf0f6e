#include "types/tensor_type.h"

#include <array>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

using enum TypeClass;
using T = TensorType;

// Block sizes: ggml-common.h of llama.cpp v0.5.0.
constexpr std::array kTypes{
    TypeFacts{T::F32, "F32", floating, 1, 4},
    TypeFacts{T::F16, "F16", floating, 1, 2},
    TypeFacts{T::Q4_0, "Q4_0", quantized, 32, 18},
    TypeFacts{T::Q4_1, "Q4_1", quantized, 32, 20},
    TypeFacts{T::Q5_0, "Q5_0", quantized, 32, 22},
    TypeFacts{T::Q5_1, "Q5_1", quantized, 32, 24},
    TypeFacts{T::Q8_0, "Q8_0", quantized, 32, 34},
    TypeFacts{T::Q8_1, "Q8_1", quantized, 32, 36},
    TypeFacts{T::Q2_K, "Q2_K", quantized, 256, 84},
    TypeFacts{T::Q3_K, "Q3_K", quantized, 256, 110},
    TypeFacts{T::Q4_K, "Q4_K", quantized, 256, 144},
    TypeFacts{T::Q5_K, "Q5_K", quantized, 256, 176},
    TypeFacts{T::Q6_K, "Q6_K", quantized, 256, 210},
    TypeFacts{T::Q8_K, "Q8_K", quantized, 256, 292},
    TypeFacts{T::IQ2_XXS, "IQ2_XXS", quantized, 256, 66},
    TypeFacts{T::IQ2_XS, "IQ2_XS", quantized, 256, 74},
    TypeFacts{T::IQ3_XXS, "IQ3_XXS", quantized, 256, 98},
    TypeFacts{T::IQ1_S, "IQ1_S", quantized, 256, 50},
    TypeFacts{T::IQ4_NL, "IQ4_NL", quantized, 32, 18},
    TypeFacts{T::IQ3_S, "IQ3_S", quantized, 256, 110},
    TypeFacts{T::IQ2_S, "IQ2_S", quantized, 256, 82},
    TypeFacts{T::IQ4_XS, "IQ4_XS", quantized, 256, 136},
    TypeFacts{T::I8, "I8", integer, 1, 1},
    TypeFacts{T::I16, "I16", integer, 1, 2},
    TypeFacts{T::I32, "I32", integer, 1, 4},
    TypeFacts{T::I64, "I64", integer, 1, 8},
    TypeFacts{T::F64, "F64", floating, 1, 8},
    TypeFacts{T::IQ1_M, "IQ1_M", quantized, 256, 56},
    TypeFacts{T::BF16, "BF16", floating, 1, 2},
    TypeFacts{T::TQ1_0, "TQ1_0", quantized, 256, 54},
    TypeFacts{T::TQ2_0, "TQ2_0", quantized, 256, 66},
    TypeFacts{T::MXFP4, "MXFP4", quantized, 32, 17},
    TypeFacts{T::NVFP4, "NVFP4", quantized, 64, 36},
    TypeFacts{T::Q1_0, "Q1_0", quantized, 128, 18},
    TypeFacts{T::Q2_0, "Q2_0", quantized, 64, 18},
};

}  // namespace

std::span<const TypeFacts> all_tensor_types() {
  return kTypes;
}

std::optional<TensorType> tensor_type_from_id(uint32_t id) {
  for (const TypeFacts& facts : kTypes) {
    if (static_cast<uint32_t>(facts.type) == id) return facts.type;
  }
  return std::nullopt;
}

std::optional<TensorType> tensor_type_from_name(std::string_view name) {
  std::string wanted = lower(name);
  for (const TypeFacts& facts : kTypes) {
    if (lower(facts.name) == wanted) return facts.type;
  }
  return std::nullopt;
}

const TypeFacts& facts_of(TensorType type) {
  for (const TypeFacts& facts : kTypes) {
    if (facts.type == type) return facts;
  }
  FQ_CHECK(!"a tensor type outside the table");
}

double bits_per_weight(TensorType type) {
  const TypeFacts& facts = facts_of(type);
  return 8.0 * facts.block_bytes / facts.block_values;
}

}  // namespace fakequant
