#pragma once
// What precision values really have: the facts from which "which floating-point grids hold all of them
// exactly" follows. Knows no tensors, storage types or blocks.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "formats/grid.h"

namespace fakequant {

// What a floating-point grid needs to hold a set of values exactly. All fields are maxima, minima or "any":
// merging is exact in any order. F32 subnormals count with their true exponents, whatever the processor's
// flush-to-zero flags say.
struct PrecisionNeeds {
  static constexpr int kNoBit = std::numeric_limits<int>::max();

  int significand_bits = 0;  // greatest width from leading to lowest one bit, 0..24; 0: no nonzero value
  int lowest_bit_exponent = kNoBit;  // smallest e with the lowest one bit of a value at 2^e; at least -149
  uint32_t max_magnitude_bits = 0;   // F32 pattern of the largest finite |value|
  bool has_nan = false;
  bool has_infinity = false;
  bool has_negative_zero = false;
  // Every value is fl32(1 + w) of some BF16 value w; NaN and -0 are not. Tested as fl32(1 + bf16_rne(fl32(v -
  // 1))) == v, not as "v - 1 is BF16", because 1 + w may have been rounded when it was stored.
  bool all_one_plus_bf16 = true;

  void add(std::span<const float> values);
  void merge(const PrecisionNeeds& other);

  // Whether `grid` (without any scale) holds every value exactly. A NaN fits where the grid has one, whatever
  // its payload; -0 fits everywhere but in fnuz.
  bool fit(const FloatGrid& grid) const;

  bool operator==(const PrecisionNeeds&) const = default;
};

// The narrowest description of values, in the order in which they are tried.
enum class EffectivePrecision {
  empty,
  constant,
  e2m1,
  e2m3,
  e3m2,
  e4m3,
  e5m2,
  bf16,
  bf16_plus_1,
  f16,
  tf32,
  f32
};

// "empty", "constant", "e2m1", ..., "bf16", "bf16+1", "f16", "tf32", "f32".
std::string_view name_of(EffectivePrecision precision);

// The first that holds every value exactly:
//   empty     no values
//   constant  one distinct bit pattern (distinct_count is 1; +0 and -0 are two)
//   e2m1 e2m3 e3m2 e4m3 e5m2 bf16   the grids of formats/grid.h
//   bf16+1    all_one_plus_bf16, without Inf: norms stored as weight + 1. Before f16 and tf32, since 1 + w
//             of a large enough w (|w| >= 1/8) fits those by chance, and 8 significant bits say more than 11
//   f16 tf32 f32
//
// Which storage type holds the values is another question (bf16+1 is none): ask needs.fit(kF16),
// needs.fit(kBf16).
EffectivePrecision effective_precision(uint64_t count, const PrecisionNeeds& needs,
                                       std::optional<uint64_t> distinct_count);

}  // namespace fakequant
