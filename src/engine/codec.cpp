#include "engine/codec.h"

#include <ggml-cpu.h>
#include <ggml.h>
#include <llama.h>

#include <bit>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/simd.h"
#include "base/text.h"
#include "engine/llama_log.h"

namespace fakequant {

namespace {

ggml_type ggml_type_of(TensorType type) {
  return static_cast<ggml_type>(type);
}

template <typename T>
void decode_numbers(std::span<const std::byte> bytes, std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(value);
  }
}

// ggml's decoders read blocks in place; a mapped tensor may start at any byte when a file asks for a small
// alignment.
bool aligned_for_ggml(const std::byte* data) {
  return reinterpret_cast<uintptr_t>(data) % alignof(float) == 0;
}

void decode_by_ggml(TensorType type, std::span<const std::byte> bytes, std::span<float> values) {
  auto count = static_cast<int64_t>(values.size());
  if (type == TensorType::F16) {
    // Fills the table that it takes the last values of a run from, where they are fewer than four; all are 0 before.
    [[maybe_unused]] static const bool ready = (ggml_cpu_init(), true);
    ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(bytes.data()), values.data(), count);
  } else if (type == TensorType::BF16) {
    ggml_cpu_bf16_to_fp32(reinterpret_cast<const ggml_bf16_t*>(bytes.data()), values.data(), count);
  } else {
    ggml_get_type_traits(ggml_type_of(type))->to_float(bytes.data(), values.data(), count);
  }
}

// The F32 pattern of the largest magnitude; NaN counts as larger than Inf.
FQ_VECTORIZED uint32_t largest_magnitude(const float* values, size_t count) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t magnitude = std::bit_cast<uint32_t>(values[i]) & 0x7FFFFFFF;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

// Refuses what would make ggml abort or store numbers for values that are none.
void check_quantizable(TensorType type, std::span<const float> values, std::span<const float> importance) {
  uint32_t largest = largest_magnitude(values.data(), values.size());
  if (largest >= 0x7F800000) throw Error("found NaN or Inf, which {} cannot hold", name_of(type));
  if (importance.empty() && needs_importance(type)) {
    throw Error("{} needs an importance matrix: give one with --imatrix", name_of(type));
  }
  if (!searches_a_grid(type)) return;
  if (std::bit_cast<float>(largest) > kLargestSearchable) {
    throw Error("found a value of magnitude {:g}; ggml's search for {} takes up to {:g}",
                std::bit_cast<float>(largest), name_of(type), kLargestSearchable);
  }
  float heaviest = std::bit_cast<float>(largest_magnitude(importance.data(), importance.size()));
  if (!(heaviest <= kLargestImportance)) {
    throw Error("found an importance of {:g}; ggml's search for {} takes up to {:g}", heaviest, name_of(type),
                kLargestImportance);
  }
}

}  // namespace

bool can_decode(TensorType type) {
  return type != TensorType::Q8_1 && type != TensorType::Q8_K;
}

bool decodes_exactly(TensorType type) {
  return type != TensorType::I32 && type != TensorType::I64 && type != TensorType::F64;
}

bool can_encode(TensorType type) {
  TypeClass type_class = facts_of(type).type_class;
  return can_decode(type) && type_class != TypeClass::integer && type != TensorType::F64;
}

bool needs_importance(TensorType type) {
  return ggml_quantize_requires_imatrix(ggml_type_of(type));
}

bool uses_importance(TensorType type) {
  switch (type) {
    case TensorType::Q8_0:
    case TensorType::TQ1_0:
    case TensorType::TQ2_0:
    case TensorType::Q1_0:
    case TensorType::Q2_0:
    case TensorType::MXFP4:
    case TensorType::NVFP4:
      return false;
    default:
      return facts_of(type).type_class == TypeClass::quantized;
  }
}

// abort.
bool searches_a_grid(TensorType type) {
  switch (type) {
    case TensorType::IQ1_S:
    case TensorType::IQ1_M:
    case TensorType::IQ2_XXS:
    case TensorType::IQ2_XS:
    case TensorType::IQ2_S:
    case TensorType::IQ3_XXS:
    case TensorType::IQ3_S:
      return true;
    default:
      return false;
  }
}

void decode(TensorType type, std::span<const std::byte> bytes, std::span<float> values) {
  const TypeFacts& facts = facts_of(type);
  FQ_CHECK(bytes.size() % facts.block_bytes == 0);
  FQ_CHECK(bytes.size() / facts.block_bytes * facts.block_values == values.size());
  switch (type) {
    case TensorType::F32:
      std::memcpy(values.data(), bytes.data(), bytes.size());
      return;
    case TensorType::F64:
      decode_numbers<double>(bytes, values);
      return;
    case TensorType::I8:
      decode_numbers<int8_t>(bytes, values);
      return;
    case TensorType::I16:
      decode_numbers<int16_t>(bytes, values);
      return;
    case TensorType::I32:
      decode_numbers<int32_t>(bytes, values);
      return;
    case TensorType::I64:
      decode_numbers<int64_t>(bytes, values);
      return;
    default:
      break;
  }
  if (!can_decode(type))
    throw Error("values of type {} cannot be read: the type is internal to ggml", name_of(type));
  if (aligned_for_ggml(bytes.data())) {
    decode_by_ggml(type, bytes, values);
    return;
  }
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  decode_by_ggml(type, copy, values);
}

void encode(TensorType type, int64_t row_length, std::span<const float> values,
            std::span<const float> importance, std::span<std::byte> bytes) {
  const TypeFacts& facts = facts_of(type);
  FQ_CHECK(row_length > 0 && row_length % facts.block_values == 0);
  FQ_CHECK(values.size() % static_cast<size_t>(row_length) == 0);
  FQ_CHECK(bytes_of_values(type, values.size()) == bytes.size());
  FQ_CHECK(importance.empty() || importance.size() == static_cast<size_t>(row_length));
  if (!can_encode(type)) throw Error("values cannot be stored as {}", name_of(type));
  auto count = static_cast<int64_t>(values.size());
  if (type == TensorType::F32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
  } else if (type == TensorType::F16) {
    ggml_cpu_fp32_to_fp16(values.data(), reinterpret_cast<ggml_fp16_t*>(bytes.data()), count);
  } else if (type == TensorType::BF16) {
    ggml_fp32_to_bf16_row_ref(values.data(), reinterpret_cast<ggml_bf16_t*>(bytes.data()), count);
  } else {
    check_quantizable(type, values, importance);
    ggml_quantize_chunk(ggml_type_of(type), values.data(), bytes.data(), 0, count / row_length, row_length,
                        importance.empty() ? nullptr : importance.data());
  }
}

std::string llama_version() {
  return fmt::format("{} ({})", FAKEQUANT_LLAMA_VERSION, FAKEQUANT_LLAMA_COMMIT);
}

std::string llama_kernels() {
  start_llama();
  std::string text = llama_print_system_info();
  return std::string(trim(text));
}

}  // namespace fakequant
