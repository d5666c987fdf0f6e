#pragma once
// What each code of a format stands for.

#include <cstdint>
#include <vector>

#include "formats/block_format.h"

namespace fakequant {

struct Code {
  uint32_t bits;  // as stored: sign, exponent, mantissa; two's complement; the index of a level
  float value;    // in units of the scale; NaN and Inf where the code says so
};

// Formats of more bits per code are not listed.
inline constexpr int kMostListedBits = 16;

// Every code of a format of at most kMostListedBits bits (checked), in the order of `bits`. Integers of the restricted
// scheme have no lowest code; those with a zero point count from it, so that they start at code 0 with value 0.
std::vector<Code> codes_of(const BlockFormat& format);

}  // namespace fakequant
