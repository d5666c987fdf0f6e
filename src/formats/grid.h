#pragma once
// Grids: the sets of values that codes stand for, before any scale. Knows no blocks, tensors or files.

#include <cstdint>
#include <span>
#include <variant>

namespace fakequant {

// What the codes at the top of a floating-point grid mean (docs/formats.md, "Kinds").
enum class FloatKind {
  ieee,    // the top exponent holds Inf and NaN
  fn,      // no Inf; only the all-ones code is NaN
  fnuz,    // no Inf, no -0; the code of -0 is NaN
  finite,  // every code is a finite value
};

// Binary floating point: sign, `exponent_bits`, `mantissa_bits` (without the implicit one), gradual
// underflow.
struct FloatGrid {
  int exponent_bits;  // 2..8
  int mantissa_bits;  // 0..23
  int bias;
  FloatKind kind;

  bool operator==(const FloatGrid&) const = default;

  int min_exponent() const { return 1 - bias; }  // of the smallest normal
  int max_exponent() const { return (1 << exponent_bits) - (kind == FloatKind::ieee ? 2 : 1) - bias; }
  // Exponent of the smallest subnormal, the spacing of all values below the smallest normal.
  int min_subnormal_exponent() const { return min_exponent() - mantissa_bits; }
  double max_value() const;
  double min_normal() const;
  double min_subnormal() const;
  bool has_infinity() const { return kind == FloatKind::ieee; }
  // Without mantissa bits the one ieee code at the top is Inf.
  bool has_nan() const { return kind != FloatKind::finite && (kind != FloatKind::ieee || mantissa_bits > 0); }
  int code_bits() const { return 1 + exponent_bits + mantissa_bits; }
  // Exponent of the largest value; one less than max_exponent() where the only code at the top is NaN.
  int top_value_exponent() const;
};

// The grid of this shape and kind with the usual bias: 2^(exponent_bits - 1) - 1, and one more for fnuz.
constexpr FloatGrid float_grid(int exponent_bits, int mantissa_bits, FloatKind kind) {
  return {exponent_bits, mantissa_bits, (1 << (exponent_bits - 1)) - (kind == FloatKind::fnuz ? 0 : 1), kind};
}

// How the codes of an integer grid lie around zero (docs/formats.md, "Integers").
enum class IntegerScheme {
  restricted,  // codes -Q..Q with Q = 2^(n-1) - 1; scale = amax / Q
  full,        // codes -Q-1..Q; scale = amax / ((2^n - 1) / 2), as torch
  asym,  // 2^n codes with an n-bit zero point; scale = (max - min) / (2^n - 1), the range widened to hold 0
};

struct IntegerGrid {
  int bits;  // 2..16
  IntegerScheme scheme;

  bool operator==(const IntegerGrid&) const = default;
};

// A table of values that follow no formula; scales are the largest magnitude of a block.
enum class LevelTable {
  nf4,  // bitsandbytes' NormalFloat: quantiles of a normal distribution, -1 to 1
};

struct LevelGrid {
  LevelTable table;

  bool operator==(const LevelGrid&) const = default;
};

// The 16 values of a table, ascending; the first is -1 and the last 1.
std::span<const float, 16> levels_of(LevelTable table);
// The values halfway between neighbours, rounded to F32: what lies on one belongs to the lower level.
std::span<const float, 15> level_bounds_of(LevelTable table);

using Grid = std::variant<FloatGrid, IntegerGrid, LevelGrid>;

// Bits of one code.
int code_bits(const Grid& grid);

// The scalar formats that inspect measures values against, and that the catalog names.
inline constexpr FloatGrid kE2M1 = float_grid(2, 1, FloatKind::finite);
inline constexpr FloatGrid kE2M3 = float_grid(2, 3, FloatKind::finite);
inline constexpr FloatGrid kE3M2 = float_grid(3, 2, FloatKind::finite);
inline constexpr FloatGrid kE4M3 = float_grid(4, 3, FloatKind::fn);
inline constexpr FloatGrid kE5M2 = float_grid(5, 2, FloatKind::ieee);
inline constexpr FloatGrid kE4M3Fnuz = float_grid(4, 3, FloatKind::fnuz);
inline constexpr FloatGrid kE5M2Fnuz = float_grid(5, 2, FloatKind::fnuz);
inline constexpr FloatGrid kBf16 = float_grid(8, 7, FloatKind::ieee);
inline constexpr FloatGrid kF16 = float_grid(5, 10, FloatKind::ieee);
inline constexpr FloatGrid kTf32 = float_grid(8, 10, FloatKind::ieee);
inline constexpr FloatGrid kF32 = float_grid(8, 23, FloatKind::ieee);

}  // namespace fakequant
