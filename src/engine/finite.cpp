#include "engine/finite.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/simd.h"

namespace fakequant {

namespace {

template <typename T>
FQ_INLINE T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// The largest bit pattern but for the sign: NaN above Inf above all numbers.
FQ_VECTORIZED uint16_t largest_magnitude_16(const std::byte* bytes, size_t count) {
  uint16_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    auto magnitude = static_cast<uint16_t>(load<uint16_t>(bytes + 2 * i) & 0x7FFF);
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

FQ_VECTORIZED uint32_t largest_magnitude_32(const std::byte* bytes, size_t count) {
  uint32_t largest = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t magnitude = load<uint32_t>(bytes + 4 * i) & 0x7FFFFFFF;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

constexpr uint16_t kInfF16 = 0x7C00;
constexpr uint16_t kInfBf16 = 0x7F80;
constexpr uint32_t kInfF32 = 0x7F800000;

// Some double is none that F32 holds; rounding to Inf counts.
bool any_beyond_f32(std::span<const std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(double)) {
    if (!std::isfinite(static_cast<float>(load<double>(bytes.data() + i)))) return true;
  }
  return false;
}

// How ggml's quantized types hold the scales of a block: F16, first or last in it. Everything else in a block is
// small factors.
struct ScalePlace {
  TensorType type;
  enum End { first, last } end;
  size_t count;
};

constexpr ScalePlace kScalePlaces[] = {
    {TensorType::Q1_0, ScalePlace::first, 1},    {TensorType::Q2_0, ScalePlace::first, 1},
    {TensorType::Q4_0, ScalePlace::first, 1},    {TensorType::Q4_1, ScalePlace::first, 2},
    {TensorType::Q5_0, ScalePlace::first, 1},    {TensorType::Q5_1, ScalePlace::first, 2},
    {TensorType::Q8_0, ScalePlace::first, 1},    {TensorType::Q2_K, ScalePlace::last, 2},
    {TensorType::Q3_K, ScalePlace::last, 1},     {TensorType::Q4_K, ScalePlace::first, 2},
    {TensorType::Q5_K, ScalePlace::first, 2},    {TensorType::Q6_K, ScalePlace::last, 1},
    {TensorType::IQ1_S, ScalePlace::first, 1},   {TensorType::IQ2_XXS, ScalePlace::first, 1},
    {TensorType::IQ2_XS, ScalePlace::first, 1},  {TensorType::IQ2_S, ScalePlace::first, 1},
    {TensorType::IQ3_XXS, ScalePlace::first, 1}, {TensorType::IQ3_S, ScalePlace::first, 1},
    {TensorType::IQ4_NL, ScalePlace::first, 1},  {TensorType::IQ4_XS, ScalePlace::first, 1},
    {TensorType::TQ1_0, ScalePlace::last, 1},    {TensorType::TQ2_0, ScalePlace::last, 1}};

bool any_scale_non_finite(const ScalePlace& place, std::span<const std::byte> bytes, size_t block_bytes) {
  size_t offset = place.end == ScalePlace::first ? 0 : block_bytes - 2 * place.count;
  uint16_t largest = 0;
  for (size_t block = 0; block < bytes.size(); block += block_bytes) {
    for (size_t i = 0; i < place.count; ++i) {
      auto magnitude = static_cast<uint16_t>(load<uint16_t>(bytes.data() + block + offset + 2 * i) & 0x7FFF);
      largest = magnitude > largest ? magnitude : largest;
    }
  }
  return largest >= kInfF16;
}

// The scale of an IQ1_M block is spread over the highest four bits of its last four 16-bit words, lowest first.
bool any_iq1_m_scale_non_finite(std::span<const std::byte> bytes, size_t block_bytes) {
  for (size_t end = block_bytes; end <= bytes.size(); end += block_bytes) {
    unsigned third = load<uint16_t>(bytes.data() + end - 4) >> 12;
    unsigned fourth = load<uint16_t>(bytes.data() + end - 2) >> 12;
    // The exponent: bits 10 to 14, of the third word all but two and of the fourth all but the sign.
    if ((third & 0xC) == 0xC && (fourth & 7) == 7) return true;
  }
  return false;
}

// A scale is a power of two, 2^(e - 128), times at most 12: from 253 on F32 does not hold every product.
bool any_mxfp4_scale_large(std::span<const std::byte> bytes, size_t block_bytes) {
  constexpr auto kFirstLarge = std::byte{253};
  for (size_t block = 0; block < bytes.size(); block += block_bytes) {
    if (bytes[block] >= kFirstLarge) return true;
  }
  return false;
}

}  // namespace

bool may_be_non_finite(TensorType type, std::span<const std::byte> bytes) {
  size_t block_bytes = facts_of(type).block_bytes;
  FQ_CHECK(bytes.size() % block_bytes == 0);
  switch (type) {
    case TensorType::F32:
      return largest_magnitude_32(bytes.data(), bytes.size() / 4) >= kInfF32;
    case TensorType::F16:
      return largest_magnitude_16(bytes.data(), bytes.size() / 2) >= kInfF16;
    case TensorType::BF16:
      return largest_magnitude_16(bytes.data(), bytes.size() / 2) >= kInfBf16;
    case TensorType::F64:
      return any_beyond_f32(bytes);
    case TensorType::IQ1_M:
      return any_iq1_m_scale_non_finite(bytes, block_bytes);
    case TensorType::MXFP4:
      return any_mxfp4_scale_large(bytes, block_bytes);
    default:
      break;
  }
  for (const ScalePlace& place : kScalePlaces) {
    if (place.type == type) return any_scale_non_finite(place, bytes, block_bytes);
  }
  // Integers, and NVFP4, whose scales of eight bits are small numbers all.
  return false;
}

}  // namespace fakequant
