#pragma once
// A number format as a value: a grid, who shares a scale, how the scale is chosen and stored, how values
// round. Names and defaults are the catalog's; the arithmetic is fake_quantize's.

#include <cstdint>
#include <string>
#include <variant>

#include "formats/grid.h"
#include "types/tensor_type.h"

namespace fakequant {

enum class Rounding {
  rne,  // to nearest, ties to even
  rtz,  // toward zero
  rna,  // to nearest, ties away from zero
  sr,   // stochastic: to either neighbour, more likely the nearer, so that the mean is the value
};

enum class Overflow {
  infinite,  // what rounds beyond the largest value becomes Inf, or NaN in a grid without Inf
  saturate,  // it becomes the largest value; so does an infinite input
};

// Which values share one scale.
enum class ScaleExtent {
  none,    // scalar formats have no scale
  tensor,  // all values of the tensor
  row,     // the values of one row (output channel)
  group,   // runs of `group_values` along the row
};

// What a scale is stored as.
enum class ScaleType {
  f32,
  f16,
  bf16,
  e8m0,         // a power of two from 2^-127 to 2^127 in 8 bits: OCP MX
  e4m3_tensor,  // E4M3 times one F32 of the whole tensor: NVFP4
};

// How an e8m0 scale is chosen from the largest magnitude of its block (docs/formats.md, "MX").
enum class ScaleRule { floor, ceil, rceil, even };

struct BlockFormat {
  Grid grid;
  ScaleExtent extent = ScaleExtent::none;
  int64_t group_values = 0;  // for ScaleExtent::group
  ScaleType scale_type = ScaleType::f32;
  ScaleRule scale_rule = ScaleRule::floor;  // for ScaleType::e8m0
  Rounding rounding = Rounding::rne;
  Overflow overflow = Overflow::saturate;  // with a scale always saturate

  bool operator==(const BlockFormat&) const = default;

  bool has_scale() const { return extent != ScaleExtent::none; }
  bool has_zero_point() const {
    const auto* integers = std::get_if<IntegerGrid>(&grid);
    return integers != nullptr && integers->scheme == IntegerScheme::asym;
  }
  // MX and NVFP4: block and kind of scale belong to the format, and no parameter changes them.
  bool has_standard_scale() const {
    return scale_type == ScaleType::e8m0 || scale_type == ScaleType::e4m3_tensor;
  }
  // Whether rounding a value takes the range of the whole tensor, not of its own block alone.
  bool needs_tensor_range() const {
    return extent == ScaleExtent::tensor || scale_type == ScaleType::e4m3_tensor;
  }
};

// A format as the user asked for it: one of our own, or a ggml type computed by ggml itself. `name` is the
// full canonical spelling: everything that decides the numbers is in it (int4:group=32:restricted), and
// parsing it gives the same format.
struct Format {
  std::string name;
  std::variant<BlockFormat, TensorType> kind;

  bool operator==(const Format& other) const { return kind == other.kind; }
  bool is_ggml() const { return std::holds_alternative<TensorType>(kind); }
  // f32: every value stays as it is.
  bool leaves_values() const;
  // Whether restored values depend on a seed.
  bool is_stochastic() const;
};

// An exact ratio of bits to weights; never reduced to floating point before it is printed.
struct BitsPerWeight {
  uint64_t bits;
  uint64_t weights;

  bool operator==(const BitsPerWeight&) const = default;
  BitsPerWeight& operator+=(const BitsPerWeight& other) {
    bits += other.bits;
    weights += other.weights;
    return *this;
  }
  double value() const {
    return weights == 0 ? 0.0 : static_cast<double>(bits) / static_cast<double>(weights);
  }
};

// The bits that a format stores: of each code, of each scale and zero point (0 where there is none), once per tensor.
struct StoredParts {
  uint64_t code_bits;
  uint64_t scale_bits;
  uint64_t zero_point_bits;
  uint64_t tensor_bits;
};
StoredParts stored_parts(const BlockFormat& format);

// What `format` would store for a tensor of `value_count` values in rows of `row_length`: codes; scales in the
// scale type (8 bits for e8m0; 8 bits a block and 32 a tensor for e4m3_tensor); zero points of n bits. Rows that are
// no multiple of a group end in a shorter one with a scale of its own. A ggml type does not take rows that are no whole
// blocks; they count by its bits per weight, up to a whole bit.
BitsPerWeight stored_bits(const Format& format, int64_t row_length, int64_t value_count);

// Why `format` cannot apply to rows of this length, or "" when it can. The text names the nearest format that fits:
// of ggml types the one with the nearest bits per weight, else the same codes with a group that divides the row.
std::string misfit(const Format& format, int64_t row_length);

}  // namespace fakequant
