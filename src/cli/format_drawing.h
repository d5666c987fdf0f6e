#pragma once
// The values of a format drawn as a number line for a terminal, in at most 78 columns of UTF-8.

#include <string>

#include "formats/block_format.h"

namespace fakequant::cli {

// Few values: an axis with a tick at each. Many: how many lie in each power of two. A caption comes first, lines end
// with '\n', and everything is in units of the scale.
std::string drawing_of(const BlockFormat& format);

}  // namespace fakequant::cli
