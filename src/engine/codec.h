#pragma once
// Storage types to float rows and back, computed by ggml itself. Knows bytes and rows, not files or tensors.
// With engine/'s other files the only place that sees ggml.h.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "types/tensor_type.h"

namespace fakequant {

// Whether ggml (or we, for the plain integers and F64) can restore values of this type; Q8_1 and Q8_K are
// internal to ggml.
bool can_decode(TensorType type);

// Whether restored values are exact: I32, I64 and F64 hold values that F32 does not.
bool decodes_exactly(TensorType type);

// Whether float rows can be stored in this type.
bool can_encode(TensorType type);

// ggml cannot choose codes of this type without an importance matrix (it would abort).
bool needs_importance(TensorType type);

// Whether ggml looks at an importance matrix for this type at all.
bool uses_importance(TensorType type);

// Whether ggml finds codes of this type by searching a large grid (iq1, iq2 and iq3): slow, by sums of
// weighted cubes.
bool searches_a_grid(TensorType type);

// Restores the values of whole blocks.
//
//   bytes   a multiple of the type's block; values.size() is the number of values in them (checked)
//   rounding  exact for all but I32, I64 and F64, which round to nearest F32
//   throws  Error when can_decode is false
//
// Pieces may be decoded in parallel.
void decode(TensorType type, std::span<const std::byte> bytes, std::span<float> values);

// What ggml's grid searches (iq1, iq2 and iq3 types) take; beyond it their sums overflow F32 and ggml aborts
// the process (seen from values of 2^50, and 2^60 with importance 1).
inline constexpr float kLargestSearchable = 0x1p24f;
inline constexpr float kLargestImportance = 0x1p40f;

// Stores whole rows.
//
//   values      rows of row_length, which is a multiple of the type's block (checked); finite for quantized
//               types (checked: ggml makes numbers of NaN, or aborts)
//   importance  empty, or row_length non-negative finite weights shared by these rows
//   throws      Error when can_encode is false, importance is needed and missing, or a value is not finite
//               or, for iq1, iq2 and iq3 types, beyond kLargestSearchable or kLargestImportance
//
// Equal to ggml_quantize_chunk bit for bit, so to what llama-quantize writes. F16 and BF16 round to nearest,
// ties to even; a NaN stays one. Rows may be encoded in parallel.
void encode(TensorType type, int64_t row_length, std::span<const float> values,
            std::span<const float> importance, std::span<std::byte> bytes);

// Version text of the ggml and llama.cpp that are linked: "v0.5.0 (de3ff815ea7d)".
std::string llama_version();

// What the code that computes was built for, in llama.cpp's words: "CPU : SSE3 = 1 | AVX2 = 1 | ...". With other features
// sums are added in another order, and last digits differ.
std::string llama_kernels();

}  // namespace fakequant
