#include "formats/grid.h"

#include <array>
#include <cmath>

namespace fakequant {

namespace {

// The levels as bitsandbytes writes them (functional.py, create_normal_map rounded to F32); the tests hold them
// against its table.
constexpr std::array<float, 16> kNf4Levels = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

constexpr std::array<float, 15> bounds_between(const std::array<float, 16>& levels) {
  std::array<float, 15> bounds{};
  for (size_t i = 0; i < bounds.size(); ++i) bounds[i] = (levels[i] + levels[i + 1]) * 0.5f;
  return bounds;
}

constexpr std::array<float, 15> kNf4Bounds = bounds_between(kNf4Levels);

}  // namespace

int FloatGrid::top_value_exponent() const {
  // Without mantissa bits fn's NaN takes the whole top exponent.
  return max_exponent() - (kind == FloatKind::fn && mantissa_bits == 0 ? 1 : 0);
}

double FloatGrid::max_value() const {
  if (kind == FloatKind::fn && mantissa_bits == 0) return std::ldexp(1.0, top_value_exponent());
  // fn gives its all-ones significand to NaN, so its largest value is one step lower.
  double top =
      kind == FloatKind::fn ? 2.0 - std::ldexp(2.0, -mantissa_bits) : 2.0 - std::ldexp(1.0, -mantissa_bits);
  return std::ldexp(top, max_exponent());
}

double FloatGrid::min_normal() const {
  return std::ldexp(1.0, min_exponent());
}

double FloatGrid::min_subnormal() const {
  return std::ldexp(1.0, min_subnormal_exponent());
}

std::span<const float, 16> levels_of(LevelTable) {
  return kNf4Levels;
}

std::span<const float, 15> level_bounds_of(LevelTable) {
  return kNf4Bounds;
}

int code_bits(const Grid& grid) {
  if (const auto* floats = std::get_if<FloatGrid>(&grid)) return floats->code_bits();
  if (const auto* integers = std::get_if<IntegerGrid>(&grid)) return integers->bits;
  return 4;
}

}  // namespace fakequant
