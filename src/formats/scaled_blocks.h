#pragma once
// Rounds blocks of values that share a scale: quotient, code, code times scale.

#include <cstdint>
#include <span>

#include "formats/block_format.h"
#include "formats/scale_range.h"

namespace fakequant {

// What rounding needs to know beyond the format and the values themselves.
struct TensorContext {
  ScaleRange range = {};     // of the whole tensor, where BlockFormat::needs_tensor_range()
  uint64_t random_key = 0;   // of the tensor, for Rounding::sr (random_words.h)
  uint64_t first_value = 0;  // index in the tensor of the first value given
};

// Rounds `values`, which share one scale, with the scale that `range` gives. The format has a scale, and none that is
// chosen per block (e8m0, e4m3_tensor) (checked).
//
//   codes    round(value x (1 / scale)) in F32, then clamped; as torch and ggml compute them
//   zeros    an all-zero range gives zeros; a scale so small that 1 / scale overflows F32 is divided by instead
//   NaN      stays NaN; Inf becomes the outermost code of its sign, so 0 where all finite values are 0
//   largest  a restored value beyond F32 (at most one code above amax) becomes the largest F32
//   scale    rounded to scale_type first; one beyond F16's range becomes 65504, one that vanishes gives zeros
//   rtz, sr  a value that lies within two units in the last place of what a code restores takes that code: in F32 its
//            quotient may lie just below the code, and amax would lose a whole step
void round_with_range(const BlockFormat& format, const ScaleRange& range, const TensorContext& context,
                      std::span<float> values);

// Rounds consecutive blocks of `block` values, each with a scale of its own.
//
//   e8m0         power of two by scale_rule; quotients are exact, elements saturate; a NaN or Inf makes its block NaN.
//                A product beyond F32 (2^128, only in blocks whose amax nearly is) is Inf, as in torchao
//   e4m3_tensor  tensor scale amax / (6 x 448), block scale E4M3(block amax / (6 x tensor scale)) at most 448, quotient
//                by true division, in F32 as ModelOpt; a block whose scales multiply to 0 becomes zeros
//   others       as round_with_range
//
// values.size() is a multiple of block (checked).
void round_blocks(const BlockFormat& format, size_t block, const TensorContext& context,
                  std::span<float> values);

}  // namespace fakequant
