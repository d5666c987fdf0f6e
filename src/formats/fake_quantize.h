#pragma once
// Rounds whole rows of F32 values to what a BlockFormat can hold. Numbers only: no files, no tensors, no ggml.

#include <cstdint>
#include <span>

#include "formats/block_format.h"
#include "formats/round_to_grid.h"
#include "formats/scaled_blocks.h"

namespace fakequant {

// Replaces each value of consecutive whole rows by its restored value under `format`.
//
//   values   row_count x row_length values, row after row
//   context  the range of the whole tensor where the format needs it, and key and index for stochastic rounding
//   throws   Error if row_length does not fit (see misfit)
//
// Rows may run in parallel. Stochastic results depend on key and index alone.
void fake_quantize_rows(const BlockFormat& format, int64_t row_length, const TensorContext& context,
                        std::span<float> values);

}  // namespace fakequant
