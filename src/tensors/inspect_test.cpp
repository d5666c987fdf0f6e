#include "tensors/inspect.h"

#include <gtest/gtest.h>

#include "base/parallel.h"
#include "tensors/grids.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::TestFolder;

std::vector<TensorReport> reports_on(const Model& model, bool grids = false) {
  std::vector<size_t> all(model.tensors().size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return inspect(model, all, {.grids = grids, .progress = Progress::Mode::silent});
}

TEST(Inspect, NamesTheEffectivePrecisionAndWhatNarrowingSaves) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> bf16 = normal_values(64 * 4, 1);
  bf16[100] = 0x1p-40f;  // below F16's range
  round_to_grid(kBf16, Rounding::rne, Overflow::infinite, bf16);
  std::vector<float> gemma(64);
  for (size_t i = 0; i < gemma.size(); ++i) gemma[i] = 1.0f + bf16[i];
  add_values(builder, "blk.0.a.weight", TensorType::F32, {64, 4}, bf16);
  add_values(builder, "blk.0.b_norm.weight", TensorType::F32, {64}, gemma);
  add_values(builder, "blk.0.c.weight", TensorType::F32, {64, 4}, normal_values(256, 2));
  add_values(builder, "blk.0.d.weight", TensorType::F16, {64, 4}, std::vector<float>(256, 0.5f));
  add_values(builder, "blk.0.e.weight", TensorType::Q8_0, {64, 4}, normal_values(256, 3));
  builder.add_tensor("f", TensorType::I32, {4});
  builder.add_tensor("g", TensorType::Q8_K, {256});
  builder.add_tensor("h", TensorType::F32, {0});
  Model model = Model::open(folder.write("m.gguf", builder.build()));
  std::vector<TensorReport> reports = reports_on(model);
  std::vector<std::string> found;
  for (const TensorReport& report : reports) found.push_back(report.effective_precision);
  EXPECT_EQ(found,
            (std::vector<std::string>{"bf16", "bf16+1", "f32", "constant", "q8_0", "i32", "q8_k", "empty"}));
  EXPECT_EQ(reports[0].narrow_type, TensorType::BF16);
  EXPECT_EQ(reports[0].narrow_saves_bytes, 512u);
  EXPECT_FALSE(reports[1].narrow_type || reports[2].narrow_type || reports[3].narrow_type);
  EXPECT_FALSE(reports[6].facts);
}

TEST(Inspect, DoesNotDependOnTheNumberOfThreads) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "a.weight", TensorType::F32, {256, 2000}, normal_values(256 * 2000, 4));
  add_values(builder, "b.weight", TensorType::F16, {256, 2000}, normal_values(256 * 2000, 5));
  std::string path = folder.write("m.gguf", builder.build());
  std::vector<std::vector<TensorReport>> all;
  for (int threads : {1, 2, 5}) {
    ThreadLimit limit(threads);
    all.push_back(reports_on(Model::open(path)));
  }
  for (size_t i = 1; i < all.size(); ++i) {
    for (size_t t = 0; t < 2; ++t) {
      EXPECT_EQ(all[i][t].facts->statistics.m2, all[0][t].facts->statistics.m2);
      EXPECT_EQ(all[i][t].facts->statistics.m4, all[0][t].facts->statistics.m4);
      EXPECT_EQ(all[i][t].facts->distinct_count, all[0][t].facts->distinct_count);
    }
  }
  EXPECT_FALSE(all[0][0].facts->distinct_count);
}

struct Upcast {
  const char* format;  // what the values are rounded to before they are stored
  TensorType storage;
  const char* found;  // the first grid that must be named
};

class ExactGrids : public testing::TestWithParam<Upcast> {};

TEST_P(ExactGrids, RecogniseUpcasts) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "t.weight", GetParam().storage, {256, 600}, normal_values(256 * 600, 6));
  std::string input = folder.write("in.gguf", builder.build());
  tensors_testing::quantize(input, folder.at("out.gguf"), "t.weight", GetParam().format);
  Model model = Model::open(folder.at("out.gguf"));
  std::vector<std::string> grids = exact_grids(view_of(model, 0));
  ASSERT_FALSE(grids.empty());
  EXPECT_EQ(grids[0], GetParam().found);
  EXPECT_TRUE(exact_grids(view_of(Model::open(input), 0)).empty());
}

const Upcast kUpcasts[] = {
    {"q4_0", TensorType::F16, "q4_0"},
    {"q4_0", TensorType::F32, "q4_0"},
    {"q5_0", TensorType::F16, "q5_0"},
    {"q8_0", TensorType::F16, "q8_0"},
    {"q4_k", TensorType::F32, "q4_k"},
    {"q6_k", TensorType::F16, "q6_k"},
    {"int8", TensorType::F16, "int8:row:restricted:rne"},
    {"int8:tensor", TensorType::F16, "int8:tensor:restricted:rne"},
    {"int4:group=64", TensorType::F16, "int4:group=64:restricted:rne"},
    {"int4:group=32:full", TensorType::F32, "int4:group=32:full:rne"},
    {"mxfp4_ggml", TensorType::F16, "mxfp4_ggml"},
};
INSTANTIATE_TEST_SUITE_P(Formats, ExactGrids, testing::ValuesIn(kUpcasts), [](const auto& row) {
  std::string name = fmt::format("{}_in_{}", row.param.format, name_of(row.param.storage));
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST(ExactGridsOf, OneValueOffTheGridIsEnough) {
  TestFolder folder;
  std::vector<float> values = normal_values(256 * 600, 8);
  fake_quantize_rows(std::get<BlockFormat>(parse_format("int8:group=32").kind), 256, {}, values);
  values[values.size() - 3] *= 1.01f;
  GgufBuilder builder;
  add_values(builder, "t.weight", TensorType::F32, {256, 600}, values);
  Model model = Model::open(folder.write("m.gguf", builder.build()));
  EXPECT_TRUE(exact_grids(view_of(model, 0)).empty());
}

TEST(ExactGridsOf, ZerosAndNanAreOnNone) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values(256, 0.0f);
  add_values(builder, "zeros.weight", TensorType::F32, {256}, values);
  values[7] = NAN;
  add_values(builder, "nan.weight", TensorType::F32, {256}, values);
  Model model = Model::open(folder.write("m.gguf", builder.build()));
  EXPECT_TRUE(exact_grids(view_of(model, 0)).empty());
  EXPECT_TRUE(exact_grids(view_of(model, 1)).empty());
}

}  // namespace
}  // namespace fakequant
