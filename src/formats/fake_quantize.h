#pragma once
// Rounds rows of F32 values to what a BlockFormat can hold. Numbers only: no files, no tensors, no ggml.

#include <cstdint>
#include <span>

#include "formats/block_format.h"

namespace fakequant {

// What a scale is computed from: the extremes of the finite values that share it. Merging is exact in any
// order.
struct ScaleRange {
  float amax = 0;  // largest magnitude
  float min = 0;   // smallest value, at most 0
  float max = 0;   // largest value, at least 0

  void merge(const ScaleRange& other);
};

ScaleRange scale_range(std::span<const float> values);

// Rounds every value of `values` to the nearest (or as `rounding` says) value of `grid`.
//
//   NaN      stays NaN (quiet) in every format, also in those that have none: a fault must not vanish
//   overflow decided after rounding; as `overflow` says, but rtz never makes an Inf of a finite value
//   Inf      stays Inf when `overflow` is infinite and the grid has Inf; else the largest value
//   -0       stays -0, but becomes +0 in fnuz grids, where so does what underflows
//   subnormals of the grid are produced exactly, those of F32 are read exactly
//
// Twice gives the same bits as once. Source: OCP 8-bit Floating Point Specification 1.0; IEEE 754-2019.
void round_to_grid(const FloatGrid& grid, Rounding rounding, Overflow overflow, std::span<float> values);

// Replaces each value by its restored value under an integer format whose scale comes from `range`.
//
//   codes    round(value x (1 / scale)), ties to even, in F32, then clamped; as torch and ggml compute them
//   zeros    an all-zero range gives zeros; a scale so small that 1 / scale overflows F32 is divided by
//            instead
//   NaN      stays NaN; Inf becomes the outermost code of its sign, so 0 where all finite values are 0
//   largest  a restored value beyond F32 (at most one code above amax) becomes the largest F32
//   scale    rounded to scale_type first; one beyond F16's range becomes 65504, one that vanishes gives zeros
void round_to_integers(const BlockFormat& format, const ScaleRange& range, std::span<float> values);

// Replaces each value of consecutive whole rows by its restored value under `format`.
//
//   values   row_count x row_length values, row after row
//   tensor   the range of the whole tensor; used by ScaleExtent::tensor alone
//   throws   Error if row_length does not fit (see misfit)
//
// Rows may run in parallel.
void fake_quantize_rows(const BlockFormat& format, int64_t row_length, const ScaleRange& tensor,
                        std::span<float> values);

}  // namespace fakequant
