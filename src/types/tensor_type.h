#pragma once
// The storage types of GGUF tensors: number, name, values and bytes per block. Decodes nothing and does not
// know ggml; a test in engine/ holds the table against it.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fakequant {

// The numbers are those of ggml's enum, as they stand in files.
enum class TensorType : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

enum class TypeClass {
  floating,   // F32 F16 BF16 F64: one value per block
  integer,    // I8 I16 I32 I64
  quantized,  // blocks of codes with scales
};

struct TypeFacts {
  TensorType type;
  std::string_view name;  // as gguf-py spells it: F32, Q4_K, IQ2_XXS
  TypeClass type_class;
  uint32_t block_values;
  uint32_t block_bytes;
};

// Every storage type that a GGUF file of llama.cpp v0.5.0 can hold, in the order of their numbers.
std::span<const TypeFacts> all_tensor_types();

// The type with this number, or nothing for a number that is unknown or no longer in use.
std::optional<TensorType> tensor_type_from_id(uint32_t id);

// The type of this name in any case ("q4_k"), or nothing.
std::optional<TensorType> tensor_type_from_name(std::string_view name);

const TypeFacts& facts_of(TensorType type);

inline std::string_view name_of(TensorType type) {
  return facts_of(type).name;
}

// What `value_count` values take in this type; a count that is no whole number of blocks loses its rest.
inline uint64_t bytes_of_values(TensorType type, uint64_t value_count) {
  const TypeFacts& facts = facts_of(type);
  return value_count / facts.block_values * facts.block_bytes;
}

// Bits per weight of the type alone: block bytes x 8 / block values.
double bits_per_weight(TensorType type);

}  // namespace fakequant
