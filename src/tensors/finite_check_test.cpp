#include "tensors/finite_check.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::encoded;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::TestFolder;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<NonFiniteTensor> found_in(const std::string& path) {
  return find_non_finite(Model::open(path), Progress::Mode::silent);
}

TEST(FiniteCheck, CountsAndPlacesWhatIsNoNumber) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values = normal_values(size_t{256} * 1200, 1);
  add_values(builder, "a.weight", TensorType::F32, {256, 1200}, values);
  // In different pieces of a tensor.
  values[70'000] = -kInf;
  values[200'000] = kNan;
  values[300'000] = kNan;
  for (TensorType type : {TensorType::F32, TensorType::F16, TensorType::BF16})
    add_values(builder, std::string(name_of(type)), type, {256, 1200}, values);
  std::string blocks = encoded(TensorType::Q8_0, 256, normal_values(1024, 2));
  blocks[size_t{34} * 5 + 1] = '\x7C';  // the scale of a block becomes Inf or NaN, all 32 values with it
  builder.add_tensor("q.weight", static_cast<uint32_t>(TensorType::Q8_0), {256, 4}, blocks);
  builder.add_tensor("i", TensorType::I32, {4});
  builder.add_tensor("k", TensorType::Q8_K, {256});
  builder.add_tensor("none", TensorType::F32, {0});
  std::string path = folder.write("m.gguf", builder.build());
  for (int threads : {1, 3}) {
    ThreadLimit limit(threads);
    std::vector<NonFiniteTensor> found = found_in(path);
    ASSERT_EQ(found.size(), 4u);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(found[i].nan_count, 2u);
      EXPECT_EQ(found[i].inf_count, 1u);
      EXPECT_EQ(found[i].first_index, 70'000);
    }
    EXPECT_EQ(found[0].name, "F32");
    EXPECT_EQ(found[3].nan_count + found[3].inf_count, 32u);
    EXPECT_EQ(found[3].first_index, 160);
  }
}

TEST(FiniteCheck, FindsNothingInNumbers) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "a.weight", TensorType::F32, {64, 4}, normal_values(256, 1));
  add_values(builder, "b.weight", TensorType::F16, {64, 4}, std::vector<float>(256, 65504.0f));
  add_values(builder, "c.weight", TensorType::Q4_0, {64, 4}, normal_values(256, 2));
  EXPECT_TRUE(found_in(folder.write("m.gguf", builder.build())).empty());
}

TEST(FiniteCheck, IsASentenceOfAtMostFourNames) {
  EXPECT_EQ(describe(std::vector<NonFiniteTensor>{}), "");
  std::vector<NonFiniteTensor> tensors{{"a", 1, 0, 17}, {"b", 0, 1200, 3}, {"c", 2, 1, 0}};
  EXPECT_EQ(
      describe(tensors),
      "'a' (1 NaN, at index 17), 'b' (1,200 Inf, the first at index 3), 'c' (2 NaN and 1 Inf, the first at "
      "index 0)");
  for (const char* name : {"d", "e", "f"}) tensors.push_back({name, 1, 0, 0});
  EXPECT_TRUE(describe(tensors).ends_with("'d' (1 NaN, at index 0) and 2 more tensors"));
}

}  // namespace
}  // namespace fakequant
