#include "tensors/narrowing.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::TestFolder;
using tensors_testing::values_of;

TensorInfo named(const std::string& name, std::vector<int64_t> shape = {256, 4}) {
  TensorInfo info{};
  info.name = name;
  info.shape = std::move(shape);
  info.type = TensorType::F32;
  return info;
}

TEST(MayNarrow, LeavesAloneWhatLlamaQuantizeLeavesAlone) {
  for (const char* name :
       {"blk.0.ffn_down.weight", "token_embd.weight", "output.weight", "blk.3.attn_q.weight",
        "blk.0.ffn_down_exps.weight", "per_layer_token_embd.weight"})
    EXPECT_TRUE(may_narrow(named(name))) << name;
  for (const char* name :
       {"blk.0.ffn_gate_inp.weight", "blk.0.ssm_conv1d.weight", "position_embd.weight", "token_types.weight",
        "blk.0.shortconv.conv.weight", "blk.0.attn_q_norm.weight", "blk.0.time_mix_w1.weight",
        "blk.0.attn_rel_b.weight", "blk.0.ssm_a", "v.patch_embd.weight", "blk.0.laurel_l.weight"})
    EXPECT_FALSE(may_narrow(named(name))) << name;
  EXPECT_FALSE(may_narrow(named("blk.0.ffn_down.weight", {256})));
  EXPECT_FALSE(may_narrow(named("blk.0.ffn_down.weight", {256, 1})));
  EXPECT_TRUE(may_narrow(named("blk.0.ffn_down_exps.weight", {256, 4, 8})));
}

// What one matrix becomes with --format `format` --store narrow; its values afterwards are those with --store
// f32.
TensorType narrowed(const std::string& format, TensorType storage, const std::vector<int64_t>& shape,
                    const std::vector<float>& values) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "blk.0.ffn_down.weight", storage, shape, values);
  std::string input = folder.write("in.gguf", builder.build());
  tensors_testing::Quantized done =
      quantize(input, folder.at("narrow.gguf"), "matrices", format, Store::narrow);
  quantize(input, folder.at("wide.gguf"), "matrices", format, Store::f32);
  Model model = Model::open(folder.at("narrow.gguf"));
  EXPECT_EQ(values_of(model, "blk.0.ffn_down.weight"),
            values_of(Model::open(folder.at("wide.gguf")), "blk.0.ffn_down.weight"));
  EXPECT_EQ(done.result.tensors[0].store_changed_count, 0u);
  return model.find("blk.0.ffn_down.weight")->type;
}

struct Case {
  const char* format;
  TensorType storage;
  TensorType narrow;
};

class StoreNarrow : public testing::TestWithParam<Case> {};

TEST_P(StoreNarrow, TakesTheSmallestExactType) {
  const auto& [format, storage, narrow] = GetParam();
  EXPECT_EQ(narrowed(format, storage, {256, 600}, normal_values(256 * 600, 3)), narrow);
  EXPECT_EQ(narrowed(format, storage, {256, 8, 4}, normal_values(256 * 32, 3)), narrow);  // experts
}

using enum TensorType;
constexpr Case kCases[] = {
    {"q4_0", F16, Q4_0},        {"q4_0", F32, Q4_0},
    {"q5_0", BF16, Q5_0},       {"q8_0", F16, Q8_0},
    {"q4_0", Q8_0, Q4_0},       {"mxfp4", F16, MXFP4},
    {"mxfp4", F32, MXFP4},      {"mxfp4:scale=rceil", F16, MXFP4},
    {"mxfp4_ggml", F16, MXFP4}, {"mxfp4_ggml", F32, MXFP4},
    {"f32", F16, F16},  // random weights
    {"f32", F32, F32},          {"f16", F32, F16},
    {"bf16:rtz", F16, F16},     {"int8:row", F32, F32},  // no storage type has a scale per row
    {"f32", Q4_0, Q4_0},
};
INSTANTIATE_TEST_SUITE_P(Formats, StoreNarrow, testing::ValuesIn(kCases), [](const auto& row) {
  std::string name = fmt::format("{}_in_{}", row.param.format, name_of(row.param.storage));
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST(StoreNarrowOf, OneValueOffInTheLastRowKeepsTheWideType) {
  std::vector<float> values = normal_values(256 * 600, 3);
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "blk.0.ffn_down.weight", F32, {256, 600}, values);
  quantize(folder.write("in.gguf", builder.build()), folder.at("q.gguf"), "matrices", "q4_0", Store::f32);
  values = values_of(Model::open(folder.at("q.gguf")), "blk.0.ffn_down.weight");
  EXPECT_EQ(narrowed("f32", F32, {256, 600}, values), Q4_0);
  values[values.size() - 5] += 1e-3f;
  EXPECT_EQ(narrowed("f32", F32, {256, 600}, values), F32);
}

TEST(StoreNarrowOf, RowsThatNoBlockDividesAndNanKeepTheirType) {
  EXPECT_EQ(narrowed("e2m1", F16, {40, 8}, normal_values(320, 3)), F16);
  std::vector<float> values(64 * 4, 0.0f);
  values[70] = NAN;
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "a.weight", F16, {64, 4}, values);
  std::string input = folder.write("in.gguf", builder.build());
  quantize(input, folder.at("out.gguf"), "matrices", "f32", Store::narrow);
  EXPECT_EQ(Model::open(folder.at("out.gguf")).find("a.weight")->type, F16);
}

TEST(StoreNarrowOf, LongRowsAreCutWhereBlocksEnd) {
  constexpr int64_t kLong = (int64_t{1} << 17) + 256;
  EXPECT_EQ(narrowed("q8_0", F16, {kLong, 2}, normal_values(kLong * 2, 3)), Q8_0);
  // Pieces of whole groups of 24 end within blocks of 32.
  constexpr int64_t kAwkward = int64_t{1536} * 100;
  EXPECT_EQ(narrowed("int2:group=24", F16, {kAwkward, 2}, std::vector<float>(kAwkward * 2, 0.5f)), F16);
}

// MXFP4 of ggml has no -0; a block of q4_0 has one zero, of the sign of its scale.
TEST(StoreNarrowOf, TheSignOfZeroIsGivenUp) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "blk.0.ffn_down.weight", F32, {256, 4}, normal_values(1024, 3));
  quantize(folder.write("in.gguf", builder.build()), folder.at("q.gguf"), "matrices", "q4_0", Store::f32);
  std::vector<float> values = values_of(Model::open(folder.at("q.gguf")), "blk.0.ffn_down.weight");
  auto zero = std::find(values.begin(), values.end(), 0.0f);
  ASSERT_NE(zero, values.end());
  EXPECT_EQ(narrowed("f32", F32, {256, 4}, values), Q4_0);
  *zero = std::signbit(*zero) ? 0.0f : -0.0f;
  EXPECT_EQ(narrowed("f32", F32, {256, 4}, values), Q4_0);
}

}  // namespace
}  // namespace fakequant
