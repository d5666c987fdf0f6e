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
};

enum class Overflow {
  infinite,  // what rounds beyond the largest value becomes Inf
  saturate,  // it becomes the largest value; so does an infinite input
};

// Which values share one scale.
enum class ScaleExtent {
  none,    // scalar formats have no scale
  tensor,  // all values of the tensor
  row,     // the values of one row (output channel)
  group,   // runs of `group_values` along the row
};

enum class ScaleType { f32, f16, bf16 };

struct BlockFormat {
  Grid grid;
  ScaleExtent extent = ScaleExtent::none;
  int64_t group_values = 0;  // for ScaleExtent::group
  ScaleType scale_type = ScaleType::f32;
  Rounding rounding = Rounding::rne;
  Overflow overflow = Overflow::saturate;

  bool operator==(const BlockFormat&) const = default;
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
};

// An exact ratio of bits to weights; never reduced to floating point before it is printed.
struct BitsPerWeight {
  uint64_t bits;
  uint64_t weights;
  double value() const {
    return weights == 0 ? 0.0 : static_cast<double>(bits) / static_cast<double>(weights);
  }
};

// What `format` would store for a tensor of `value_count` values in rows of `row_length`: codes, scales in
// the scale type, zero points of n bits.
BitsPerWeight stored_bits(const Format& format, int64_t row_length, int64_t value_count);

// Why `format` cannot apply to rows of this length, or "" when it can. The text names the nearest format that
// fits when there is one.
std::string misfit(const Format& format, int64_t row_length);

}  // namespace fakequant
