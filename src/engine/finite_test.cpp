#include "engine/finite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "engine/codec.h"

namespace fakequant {
namespace {

bool decodes_to_non_finite(TensorType type, std::span<const std::byte> bytes) {
  const TypeFacts& facts = facts_of(type);
  std::vector<float> values(bytes.size() / facts.block_bytes * facts.block_values);
  decode(type, bytes, values);
  return std::ranges::any_of(values, [](float value) { return !std::isfinite(value); });
}

// Random blocks: of one in 32 F16 scales the exponent is that of Inf and NaN.
TEST(Finite, AgreesWithWhatIsDecodedForEveryType) {
  std::mt19937 random(1);
  for (const TypeFacts& facts : all_tensor_types()) {
    TensorType type = facts.type;
    if (!can_decode(type)) continue;
    size_t found = 0;
    for (int attempt = 0; attempt < 4000; ++attempt) {
      std::vector<std::byte> bytes(facts.block_bytes * (1 + random() % 3));
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      bool wanted = decodes_to_non_finite(type, bytes);
      bool told = may_be_non_finite(type, bytes);
      ASSERT_EQ(told, wanted) << name_of(type);
      found += wanted ? 1 : 0;
    }
    bool never = facts.type_class == TypeClass::integer || type == TensorType::NVFP4;
    EXPECT_EQ(found == 0, never) << name_of(type);
  }
}

TEST(Finite, FindsOneValueAnywhere) {
  for (TensorType type : {TensorType::F16, TensorType::BF16, TensorType::F32}) {
    size_t size = facts_of(type).block_bytes;
    for (size_t count : {1u, 7u, 64u, 1003u}) {
      std::vector<std::byte> bytes(count * size, std::byte{0x3B});
      EXPECT_FALSE(may_be_non_finite(type, bytes));
      for (size_t i = 0; i < count; ++i) {
        std::byte before = bytes[i * size + size - 1];
        std::byte next = bytes[i * size + size - 2];
        bytes[i * size + size - 1] = std::byte{0xFF};  // a negative NaN
        bytes[i * size + size - 2] = std::byte{0xFF};
        EXPECT_TRUE(may_be_non_finite(type, bytes)) << i;
        bytes[i * size + size - 1] = before;
        bytes[i * size + size - 2] = next;
      }
    }
  }
}

TEST(Finite, NothingIsFiniteAndBytesMayLieAnywhere) {
  EXPECT_FALSE(may_be_non_finite(TensorType::Q4_K, {}));
  std::vector<std::byte> bytes(1 + 4 * 5);
  for (size_t i : {0u, 1u, 2u, 3u}) bytes[17 + i] = std::byte{0xFF};
  EXPECT_TRUE(may_be_non_finite(TensorType::F32, std::span(bytes).subspan(1)));
  EXPECT_FALSE(may_be_non_finite(TensorType::F32, std::span(bytes).subspan(1, 16)));
}

}  // namespace
}  // namespace fakequant
