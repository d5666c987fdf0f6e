#pragma once
// What can be said of a number format in words and figures: shared by the table, the page and the JSON of
// `formats`.

#include <optional>
#include <string>
#include <vector>

#include "formats/codes.h"

namespace fakequant::cli {

// A number as a person writes it: in full where that takes at most twelve characters, else 3.3895e38.
std::string figure(double value);

// The catalog's line; of a float without a name its own shape.
std::string summary_of(const Format& format);

// Bits per weight, with what depends on the tensor's shape kept apart: "4.5 + 32 per tensor".
std::string bits_text(const Format& format);
// What they are made of: "4 of code + 8 of scale per 16 + 32 of scale per tensor".
std::string bits_formula(const Format& format);
// The same as a number where it does not depend on the tensor's shape.
std::optional<double> fixed_bits_per_weight(const Format& format);

// How many values share a scale: "1", "32", "row", "tensor"; of a ggml type the values of a block.
std::string block_text(const Format& format);

// "needed", "used" or "": what ggml does with an importance matrix.
std::string importance_text(const Format& format);

// The codes' largest and smallest values, in units of the scale.
struct CodeRange {
  double lowest;
  double largest;
};
CodeRange code_range(const BlockFormat& format);

// What its rounding means.
std::string rounding_text(const BlockFormat& format);

// "f32", "f16", "bf16", "e8m0", "e4m3 x f32".
std::string scale_type_word(ScaleType type);
// How a scale is computed: "amax / 7", "2^(floor(log2 amax) - 8)".
std::string scale_rule_text(const BlockFormat& format);
// Who shares it, its rule and how it is stored, in one sentence.
std::string scale_text(const BlockFormat& format);

// Where rounding to nearest with ties to even leaves a grid that has Inf or NaN to go to.
struct OverflowPoint {
  double from;
  bool is_included;  // whether `from` itself overflows: a tie
};
std::optional<OverflowPoint> overflow_point(const FloatGrid& grid);
// What happens beyond the largest value, and to Inf, under all parameters of the format.
std::string overflow_text(const BlockFormat& format);

// The bits of a code with spaces between sign, exponent and mantissa.
std::string code_text(const BlockFormat& format, uint32_t bits);

}  // namespace fakequant::cli
