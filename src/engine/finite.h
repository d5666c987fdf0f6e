#pragma once
// Whether stored values can be NaN or Inf, told without decoding them. Knows bytes, not tensors.

#include <cstddef>
#include <span>

#include "types/tensor_type.h"

namespace fakequant {

// `bytes` are whole blocks (checked). False: every value that decode() restores from them is finite. True: some
// may be NaN or Inf; of F16, BF16, F32 and F64 one certainly is, or is beyond what F32 holds. Quantized blocks are
// told by their scales alone, several times faster than decoding them. Types that decode() does not know give false.
// May be called from several threads.
bool may_be_non_finite(TensorType type, std::span<const std::byte> bytes);

}  // namespace fakequant
