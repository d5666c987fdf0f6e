#include "types/tensor_type.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(TensorTypes, AreFoundByNumberAndByNameInAnyCase) {
  for (const TypeFacts& facts : all_tensor_types()) {
    EXPECT_EQ(tensor_type_from_id(static_cast<uint32_t>(facts.type)), facts.type);
    EXPECT_EQ(tensor_type_from_name(facts.name), facts.type);
  }
  EXPECT_EQ(tensor_type_from_name("q4_k"), TensorType::Q4_K);
}

TEST(TensorTypes, RemovedAndUnknownNumbersAreNothing) {
  for (uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 43u, 0xFFFFFFFFu})
    EXPECT_FALSE(tensor_type_from_id(id));
  EXPECT_FALSE(tensor_type_from_name("q4_k_m"));
}

TEST(BitsPerWeight, FollowFromTheBlock) {
  EXPECT_EQ(bits_per_weight(TensorType::F16), 16.0);
  EXPECT_EQ(bits_per_weight(TensorType::Q4_K), 4.5);
  EXPECT_EQ(bits_per_weight(TensorType::Q8_0), 8.5);
}

TEST(BytesOfValues, AreThoseOfWholeBlocks) {
  EXPECT_EQ(bytes_of_values(TensorType::F32, 7), 28U);
  EXPECT_EQ(bytes_of_values(TensorType::Q4_0, 64), 36U);
  EXPECT_EQ(bytes_of_values(TensorType::Q4_0, 63), 18U);
  EXPECT_EQ(bytes_of_values(TensorType::Q4_K, 0), 0U);
}

}  // namespace
}  // namespace fakequant
