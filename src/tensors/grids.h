#pragma once
// Which block formats a tensor's values are exactly on, though it is stored as floats: an F16 matrix that is
// really an upcast q4_0 or int8.

#include <string>
#include <vector>

#include "tensors/tensor_pass.h"

namespace fakequant {

// The names of all formats of which every block of the tensor is exact, of fewest bits per weight first:
//
//   int2..int8       restricted and full, per group of 32, 64 or 128, per row (of 16 to 2^20 values) and per tensor,
//                    with some F32 scale
//   q4_0 q5_0 q8_0   with some F16 scale
//   other ggml types (but iq1, iq2 and iq3), when ggml's own quantizer finds the same values again
//
// "Exact" allows for the rounding of code x scale to the storage type: the scales are found as the
// intersection of what each value allows, then every value is computed again and compared, so there is no
// false positive. Blocks of zeros fit everything; a tensor of zeros is on no grid worth naming and gives
// nothing, as does one with NaN or Inf.
std::vector<std::string> exact_grids(const TensorView& view);

}  // namespace fakequant
