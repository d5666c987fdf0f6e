#include "tensors/inspect.h"

#include <gtest/gtest.h>

#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::TestFolder;
using tensors_testing::values_of;

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

TEST(Inspect, NarrowTypeIsWhatStoreNarrowChooses) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "blk.0.ffn_down.weight", TensorType::F32, {256, 8}, normal_values(2048, 1));
  add_values(builder, "blk.0.ffn_up.weight", TensorType::F16, {256, 8}, normal_values(2048, 2));
  add_values(builder, "blk.0.ffn_gate_inp.weight", TensorType::F32, {256, 8}, normal_values(2048, 3));
  add_values(builder, "blk.0.ffn_norm.weight", TensorType::F32, {256}, normal_values(256, 4));
  std::string input = folder.write("in.gguf", builder.build());
  tensors_testing::quantize(input, folder.at("q.gguf"), "all", "mxfp4_ggml", Store::keep);
  Model model = Model::open(folder.at("q.gguf"));
  std::vector<TensorReport> cheap = reports_on(model);
  EXPECT_EQ(cheap[0].narrow_type, TensorType::F16);
  EXPECT_EQ(cheap[0].narrow_saves_bytes, 4096u);
  EXPECT_FALSE(cheap[1].narrow_type || cheap[2].narrow_type || cheap[3].narrow_type);
  std::vector<TensorReport> full = reports_on(model, true);
  EXPECT_EQ(full[0].narrow_type, TensorType::MXFP4);
  EXPECT_EQ(full[0].narrow_saves_bytes, 2048u * 4 - 2048u / 32 * 17);
  EXPECT_EQ(full[1].narrow_type, TensorType::MXFP4);
  EXPECT_FALSE(full[2].narrow_type || full[3].narrow_type);
  tensors_testing::quantize(folder.at("q.gguf"), folder.at("n.gguf"), "all", "f32", Store::narrow);
  Model narrowed = Model::open(folder.at("n.gguf"));
  uint64_t saved = 0;
  for (size_t i = 0; i < full.size(); ++i) {
    EXPECT_EQ(narrowed.tensors()[i].info->type, full[i].narrow_type.value_or(model.tensors()[i].info->type))
        << i;
    saved += model.tensors()[i].info->data_bytes - narrowed.tensors()[i].info->data_bytes;
    EXPECT_EQ(values_of(narrowed, model.tensors()[i].info->name),
              values_of(model, model.tensors()[i].info->name));
  }
  EXPECT_EQ(saved, full[0].narrow_saves_bytes + full[1].narrow_saves_bytes);
}

}  // namespace
}  // namespace fakequant
