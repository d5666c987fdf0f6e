#pragma once
// The 16-bit storage types as F32 bit patterns, by integer arithmetic only. Knows no rounding towards them.

#include <bit>
#include <cstdint>

namespace fakequant {

// Which 16-bit type a code belongs to.
enum class HalfType { f16, bf16 };

// The F32 bit pattern of the same value; every F16 value is an F32 value, subnormals included. NaN keeps its
// sign and its payload, moved to the top of the F32 mantissa.
constexpr uint32_t f32_bits_of_f16(uint16_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x8000u) << 16;
  const uint32_t exponent = (code >> 10) & 0x1fu;
  const uint32_t mantissa = code & 0x3ffu;
  if (exponent == 31) return sign | 0x7f800000u | (mantissa << 13);
  if (exponent != 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa == 0) return sign;
  const auto lead = static_cast<uint32_t>(std::bit_width(mantissa)) - 1;  // value = mantissa x 2^-24
  return sign | ((lead + 103) << 23) | ((mantissa << (23 - lead)) & 0x7fffffu);
}

constexpr uint32_t f32_bits_of_bf16(uint16_t code) {
  return static_cast<uint32_t>(code) << 16;
}

constexpr uint32_t f32_bits_of(HalfType type, uint16_t code) {
  return type == HalfType::f16 ? f32_bits_of_f16(code) : f32_bits_of_bf16(code);
}

}  // namespace fakequant
