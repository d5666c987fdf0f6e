#pragma once
// Which formats a tensor's values are exactly on, though it is stored as floats: an F16 matrix that is really
// an upcast q4_0, int8, fp8, mxfp4 or nf4.

#include <string>
#include <vector>

#include "analysis/value_facts.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

// A format of which every value of a tensor is exact.
struct GridFinding {
  // In the grammar, without what values do not show (rounding, scale rule): int8:row:restricted. Where the
  // grammar has no name, text().
  std::string format;
  std::string codes;       // what the codes are: "int8", "int8 full", "e4m3", "q4_0"
  std::string scales;      // in words: "no scale", "F32 scale per row", "power-of-two scale per 32"
  double bits_per_weight;  // codes and scales

  // "e4m3, F32 scale per row"
  std::string text() const { return codes + ", " + scales; }
};

// Everything that the values are exactly on, of fewest bits per weight first:
//
//   e2m1 e2m3 e3m2 e4m3 e5m2 e4m3fnuz e5m2fnuz   without scale
//   those (but e5m2fnuz) with some F32 scale     per tensor, row, group of 128, 64, 32 or 16
//   e4m3 with an F32 scale per tile of 128 x 128 (DeepSeek-V3), for which the grammar has no name; rows of at
//                                                most 2^15 values
//   int2..int8       restricted and full, with some F32 scale per tensor, row, group of 128, 64 or 32
//   nf4              with some F32 scale per tensor, row, group of 4096, 2048, ... 32
//   mxfp8_e4m3 mxfp8_e5m2 mxfp6_e3m2 mxfp6_e2m3 mxfp4 mxint8   with some power of two per 32
//   nvfp4            with some E4M3 scale per 16 and F32 scale of the tensor
//   q4_0 q5_0 q8_0   with some F16 scale
//   other ggml types (but iq1, iq2 and iq3), when ggml's own quantizer finds the same values again
//
// `facts` are those of the tensor's values. "Exact" allows for the rounding of code x scale to the storage
// type: the scales are found as the intersection of what each value allows, for every code that the largest
// value may be of, then every value is computed again and compared, so there is no false positive. -0 counts
// as 0. Rows shorter than 16 or longer than 2^20 values have no scale per row to speak of. A finding of our
// own formats is left out when another has no more bits per code, scales that are shared as widely or more,
// and is either cheaper or part of it; MX formats and NVFP4 only for each other or fewer bits per code; q5_0
// and q8_0 only for q4_0 and q5_0, other ggml types never. A tensor of one value, or with NaN or Inf, gives
// nothing. The first row that is not zeros decides most tensors.
std::vector<GridFinding> exact_grids(const TensorView& view, const ValueFacts& facts);

}  // namespace fakequant
