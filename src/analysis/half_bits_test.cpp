#include "analysis/half_bits.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fakequant {
namespace {

// By the definition of the formats, in double.
double value_by_definition(int exponent_bits, int mantissa_bits, uint32_t code) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto mantissa = static_cast<int>(code & ((1u << mantissa_bits) - 1));
  const auto exponent = static_cast<int>((code >> mantissa_bits) & ((1u << exponent_bits) - 1));
  const double sign = (code >> (exponent_bits + mantissa_bits)) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

void expect_every_code(HalfType type, int exponent_bits, int mantissa_bits) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const uint32_t bits = f32_bits_of(type, static_cast<uint16_t>(code));
    const auto value = static_cast<double>(std::bit_cast<float>(bits));
    const double wanted = value_by_definition(exponent_bits, mantissa_bits, code);
    if (std::isnan(wanted)) {
      ASSERT_TRUE(std::isnan(value)) << code;
    } else {
      ASSERT_EQ(value, wanted) << code;
    }
    ASSERT_EQ(bits >> 31, code >> 15) << code;  // the sign of zeros and NaN too
  }
}

TEST(HalfBits, EveryF16CodeIsItsValue) {
  expect_every_code(HalfType::f16, 5, 10);
}

TEST(HalfBits, EveryBf16CodeIsItsValue) {
  expect_every_code(HalfType::bf16, 8, 7);
}

TEST(HalfBits, NanKeepsItsPayload) {
  EXPECT_EQ(f32_bits_of_f16(0xfe01), 0xffc02000u);
  EXPECT_EQ(f32_bits_of_f16(0x7c01), 0x7f802000u);  // stays signalling
  EXPECT_EQ(f32_bits_of_bf16(0x7f81), 0x7f810000u);
}

static_assert(f32_bits_of_f16(0x3c00) == 0x3f800000u);  // usable at compile time

}  // namespace
}  // namespace fakequant
