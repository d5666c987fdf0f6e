#pragma once
// Grids: the sets of values that codes stand for, before any scale. Knows no blocks, tensors or files.

#include <cstdint>
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
  int exponent_bits;  // 1..8
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
  bool has_nan() const { return kind != FloatKind::finite; }
};

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

using Grid = std::variant<FloatGrid, IntegerGrid>;

// The scalar formats that inspect measures values against, and that the catalog names.
inline constexpr FloatGrid kE2M1{2, 1, 1, FloatKind::finite};
inline constexpr FloatGrid kE2M3{2, 3, 1, FloatKind::finite};
inline constexpr FloatGrid kE3M2{3, 2, 3, FloatKind::finite};
inline constexpr FloatGrid kE4M3{4, 3, 7, FloatKind::fn};
inline constexpr FloatGrid kE5M2{5, 2, 15, FloatKind::ieee};
inline constexpr FloatGrid kBf16{8, 7, 127, FloatKind::ieee};
inline constexpr FloatGrid kF16{5, 10, 15, FloatKind::ieee};
inline constexpr FloatGrid kTf32{8, 10, 127, FloatKind::ieee};
inline constexpr FloatGrid kF32{8, 23, 127, FloatKind::ieee};

}  // namespace fakequant
