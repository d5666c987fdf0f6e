#include "formats/codes.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace fakequant {

namespace {

float value_of(const FloatGrid& grid, uint32_t bits) {
  const uint32_t mantissa_mask = (1u << grid.mantissa_bits) - 1;
  const uint32_t exponent_mask = (1u << grid.exponent_bits) - 1;
  const uint32_t mantissa = bits & mantissa_mask;
  const uint32_t exponent = (bits >> grid.mantissa_bits) & exponent_mask;
  const bool negative = (bits >> (grid.code_bits() - 1)) != 0;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  if (grid.kind == FloatKind::ieee && exponent == exponent_mask) {
    if (mantissa != 0) return nan;
    return negative ? -INFINITY : INFINITY;
  }
  if (grid.kind == FloatKind::fn && exponent == exponent_mask && mantissa == mantissa_mask) return nan;
  if (grid.kind == FloatKind::fnuz && negative && exponent == 0 && mantissa == 0) return nan;
  double steps = exponent == 0 ? mantissa : mantissa + mantissa_mask + 1;
  int field = exponent == 0 ? 1 : static_cast<int>(exponent);
  auto magnitude = static_cast<float>(std::ldexp(steps, field - grid.bias - grid.mantissa_bits));
  return negative ? -magnitude : magnitude;
}

std::vector<Code> integer_codes(const IntegerGrid& grid, double unit) {
  const int count = 1 << grid.bits;
  std::vector<Code> codes;
  for (int bits = 0; bits < count; ++bits) {
    int value = grid.scheme == IntegerScheme::asym || bits < count / 2 ? bits : bits - count;
    if (grid.scheme == IntegerScheme::restricted && value == -count / 2) continue;
    codes.push_back({static_cast<uint32_t>(bits), static_cast<float>(value * unit)});
  }
  return codes;
}

}  // namespace

std::vector<Code> codes_of(const BlockFormat& format) {
  FQ_CHECK(code_bits(format.grid) <= kMostListedBits);
  if (const auto* integers = std::get_if<IntegerGrid>(&format.grid))
    return integer_codes(*integers, format.scale_type == ScaleType::e8m0 ? 1.0 / 64 : 1.0);
  std::vector<Code> codes;
  if (const auto* levels = std::get_if<LevelGrid>(&format.grid)) {
    for (float level : levels_of(levels->table))
      codes.push_back({static_cast<uint32_t>(codes.size()), level});
    return codes;
  }
  const auto& grid = std::get<FloatGrid>(format.grid);
  for (uint32_t bits = 0; bits < (1u << grid.code_bits()); ++bits)
    codes.push_back({bits, value_of(grid, bits)});
  return codes;
}

}  // namespace fakequant
