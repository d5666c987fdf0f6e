#pragma once
// What `formats NAME` prints: one format in full, and the values of its codes.

#include "formats/codes.h"

namespace fakequant::cli {

// Prints everything that is known of a format.
void print_page(const Format& format);

// Formats of more bits per code are too many lines.
inline constexpr int kMostPrintedBits = 8;

// Throws UsageError unless the values of `format` can be listed.
void check_values(const Format& format);

// Prints every code of a format with its value, in columns.
void print_values(const BlockFormat& format);

}  // namespace fakequant::cli
