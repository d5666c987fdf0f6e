#include "tensors/rewrite.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using gguf_testing::error_of;
using gguf_testing::read_file;
using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::Quantized;
using tensors_testing::TestFolder;
using tensors_testing::values_of;

std::vector<float> bf16_values(size_t count, unsigned seed) {
  std::vector<float> values = normal_values(count, seed);
  values[0] = 0x1p-40f;  // below F16's range
  round_to_grid(kBf16, Rounding::rtz, Overflow::infinite, values);
  return values;
}

// A norm of full precision, one that is BF16 in fact, an F16 and an F32 matrix, and a quantized one.
std::string small_model() {
  GgufBuilder builder;
  builder.add("general.architecture", std::string_view("llama")).fill_padding('p');
  add_values(builder, "blk.0.ffn_norm.weight", TensorType::F32, {40}, normal_values(40, 1));
  add_values(builder, "blk.1.ffn_norm.weight", TensorType::F32, {40}, bf16_values(40, 2));
  add_values(builder, "blk.0.ffn_up.weight", TensorType::F16, {256, 700}, normal_values(256 * 700, 3));
  add_values(builder, "blk.0.ffn_down.weight", TensorType::F32, {256, 8}, bf16_values(256 * 8, 4));
  add_values(builder, "blk.0.attn_q.weight", TensorType::Q8_0, {256, 4}, normal_values(256 * 4, 5));
  return builder.build() + "trailing";
}

struct Fixture {
  TestFolder folder;
  std::string input = folder.write("in.gguf", small_model());
  std::string output = folder.at("out.gguf");
};

TEST(Rewrite, ChangesOnlyTheBytesOfTheChosenTensors) {
  Fixture f;
  Quantized done = quantize(f.input, f.output, "blk.0.ffn_norm.weight", "bf16:rtz");
  std::string before = read_file(f.input);
  std::string after = read_file(f.output);
  ASSERT_EQ(before.size(), after.size());
  Model model = Model::open(f.input);
  const TensorInfo& norm = *model.find("blk.0.ffn_norm.weight");
  for (size_t i = 0; i < before.size(); ++i) {
    if (i >= norm.data_offset && i < norm.data_offset + norm.data_bytes) {
      bool low_half = (i - norm.data_offset) % 4 < 2;
      ASSERT_EQ(after[i], low_half ? '\0' : before[i]) << i;
    } else {
      ASSERT_EQ(after[i], before[i]) << i;
    }
  }
  EXPECT_EQ(done.result.tensors.size(), 1u);
  EXPECT_GT(done.result.total.max_rel, 1e-3);
  EXPECT_LT(done.result.total.max_rel, 0x1p-7);
}

TEST(Rewrite, ANormThatIsBf16InFactGivesTheInputByteForByte) {
  Fixture f;
  Quantized done = quantize(f.input, f.output, "blk.1.ffn_norm.weight", "bf16:rtz");
  EXPECT_EQ(read_file(f.input), read_file(f.output));
  EXPECT_EQ(done.result.total.changed_count, 0u);
  EXPECT_EQ(done.result.total.max_abs, 0.0);
  EXPECT_FALSE(done.result.tensors[0].bytes_changed);
}

TEST(Rewrite, DifferencesAreOfWhatTheFileHolds) {
  Fixture f;
  Quantized done = quantize(f.input, f.output, "blk.0.ffn_up.weight", "int4:group=32");
  std::vector<float> before = values_of(Model::open(f.input), "blk.0.ffn_up.weight");
  std::vector<float> after = values_of(Model::open(f.output), "blk.0.ffn_up.weight");
  Difference wanted = measure_difference(before, after);
  EXPECT_EQ(done.result.total.max_abs, wanted.max_abs);
  EXPECT_EQ(done.result.total.changed_count, wanted.changed_count);
  EXPECT_NEAR(done.result.total.rmse(), wanted.rmse(), 1e-12);
  // F16 holds few products of code and F32 scale: the share of storing is told apart.
  std::vector<float> rounded = before;
  fake_quantize_rows(std::get<BlockFormat>(parse_format("int4:group=32").kind), 256, {}, rounded);
  double largest = 0;
  uint64_t changed = 0;
  for (size_t i = 0; i < rounded.size(); ++i) {
    largest = std::max(largest, std::abs(double{rounded[i]} - double{after[i]}));
    changed += rounded[i] != after[i] ? 1 : 0;
  }
  EXPECT_EQ(done.result.tensors[0].store_max_abs, largest);
  EXPECT_EQ(done.result.tensors[0].store_changed_count, changed);
  EXPECT_GT(changed, 0u);
}

TEST(Rewrite, ResultsDoNotDependOnTheNumberOfThreads) {
  Fixture f;
  std::vector<std::string> files;
  std::vector<Difference> totals;
  for (int threads : {1, 2, 5}) {
    ThreadLimit limit(threads);
    for (const char* format : {"int4:tensor", "q4_k"}) {
      Quantized done = quantize(f.input, f.folder.at(fmt::format("{}-{}.gguf", format, threads)),
                                "blk.0.ffn_up.weight", format);
      files.push_back(read_file(done.path));
      totals.push_back(done.result.total);
    }
  }
  for (size_t i = 2; i < files.size(); ++i) {
    EXPECT_EQ(files[i], files[i % 2]);
    EXPECT_EQ(totals[i].sum_squared_error, totals[i % 2].sum_squared_error);
    EXPECT_EQ(totals[i].sum_rel, totals[i % 2].sum_rel);
  }
}

TEST(Rewrite, QuantizedStorageThatCannotHoldTheValuesIsRefusedAndLeavesNothing) {
  Fixture f;
  std::string error = error_of([&] { quantize(f.input, f.output, "blk.0.attn_q.weight", "int4:group=32"); });
  EXPECT_NE(error.find("blk.0.attn_q.weight"), std::string::npos);
  EXPECT_NE(error.find("--store auto"), std::string::npos);
  EXPECT_EQ(f.folder.names().size(), 1u);
}

TEST(Rewrite, QuantizedStorageThatHoldsTheValuesKeepsItsBytes) {
  Fixture f;
  // F32 leaves every value; int16 of an int8 code times a scale does not.
  quantize(f.input, f.output, "blk.0.attn_q.weight", "f32");
  EXPECT_EQ(read_file(f.input), read_file(f.output));
}

TEST(Rewrite, AutoWidensJustTheTensorsThatNeedItToTheSmallestExactType) {
  Fixture f;
  quantize(f.input, f.output, "blk.0.attn_q.weight,blk.0.ffn_up.weight,blk.0.ffn_norm.weight", "bf16",
           Store::automatic);
  Model model = Model::open(f.output);
  EXPECT_EQ(model.find("blk.0.attn_q.weight")->type, TensorType::F16);  // holds 8 bits of such values as well
  EXPECT_EQ(model.find("blk.0.ffn_norm.weight")->type, TensorType::F32);
  std::vector<float> rounded = values_of(Model::open(f.input), "blk.0.attn_q.weight");
  round_to_grid(kBf16, Rounding::rne, Overflow::infinite, rounded);
  EXPECT_EQ(values_of(model, "blk.0.attn_q.weight"), rounded);
  // All else is carried over.
  Model before = Model::open(f.input);
  EXPECT_EQ(values_of(model, "blk.1.ffn_norm.weight"), values_of(before, "blk.1.ffn_norm.weight"));
  ASSERT_EQ(model.shards()[0].metadata().size(), before.shards()[0].metadata().size());
}

TEST(Rewrite, AutoKeepsQuantizedStorageOfUnchangedValues) {
  Fixture f;
  quantize(f.input, f.output, "all", "f32", Store::automatic);
  EXPECT_EQ(read_file(f.input), read_file(f.output));
}

TEST(Rewrite, NarrowStoresF32MatricesInTheSmallestExactTypeAndNoNorms) {
  Fixture f;
  Quantized done = quantize(f.input, f.output, "all", "f32", Store::narrow);
  Model model = Model::open(f.output);
  EXPECT_EQ(model.find("blk.0.ffn_down.weight")->type, TensorType::BF16);
  EXPECT_EQ(model.find("blk.1.ffn_norm.weight")->type, TensorType::F32);
  EXPECT_EQ(model.find("blk.0.attn_q.weight")->type, TensorType::Q8_0);
  EXPECT_EQ(done.result.total.changed_count, 0u);
  EXPECT_EQ(values_of(model, "blk.0.ffn_down.weight"),
            values_of(Model::open(f.input), "blk.0.ffn_down.weight"));
}

TEST(Rewrite, ForcedStorageIsMeasured) {
  Fixture f;
  Quantized done = quantize(f.input, f.output, "blk.0.ffn_norm.weight", "f32", Store::bf16);
  EXPECT_EQ(Model::open(f.output).find("blk.0.ffn_norm.weight")->type, TensorType::BF16);
  EXPECT_EQ(done.result.tensors[0].store_changed_count, done.result.total.changed_count);
  EXPECT_GT(done.result.tensors[0].store_max_abs, 0.0);
}

TEST(Rewrite, StampSaysWhatWasDone) {
  Fixture f;
  quantize(f.input, f.output, "ffn_norm", "bf16:rtz", Store::keep, {.stamp = true});
  Model model = Model::open(f.output);
  const MetadataEntry* tensors = model.shards()[0].find("fakequant.tensors");
  ASSERT_NE(tensors, nullptr);
  EXPECT_EQ(as_string(*tensors), "blk.0.ffn_norm.weight = bf16:rtz\nblk.1.ffn_norm.weight = bf16:rtz\n");
  EXPECT_NE(model.shards()[0].find("fakequant.version"), nullptr);
  EXPECT_EQ(values_of(model, "blk.0.ffn_up.weight"), values_of(Model::open(f.input), "blk.0.ffn_up.weight"));
}

TEST(Rewrite, CountsNewNonFiniteAndSaturatedValues) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "a", TensorType::F32, {4}, std::vector<float>{1e6f, INFINITY, 1.0f, NAN});
  std::string input = folder.write("in.gguf", builder.build());
  Quantized overflowing = quantize(input, folder.at("f16.gguf"), "a", "f16");
  EXPECT_EQ(overflowing.result.total.new_nonfinite, 1u);
  EXPECT_EQ(overflowing.result.tensors[0].saturated_infinities, 0u);
  Quantized saturating = quantize(input, folder.at("sat.gguf"), "a", "f16:sat");
  EXPECT_EQ(saturating.result.total.new_nonfinite, 0u);
  EXPECT_EQ(saturating.result.tensors[0].saturated_infinities, 1u);
}

TEST(Rewrite, SplitModelsStaySplit) {
  TestFolder folder;
  for (uint16_t part = 0; part < 2; ++part) {
    GgufBuilder builder;
    builder.add("split.no", part).add("split.count", uint16_t{2}).add("split.tensors.count", int32_t{2});
    add_values(builder, fmt::format("blk.{}.ffn_norm.weight", part), TensorType::F32, {32},
               normal_values(32, 7u + part));
    folder.write(fmt::format("m-0000{}-of-00002.gguf", part + 1), builder.build());
  }
  Quantized done =
      quantize(folder.at("m-00002-of-00002.gguf"), folder.at("out.gguf"), "ffn_norm", "bf16:rtz");
  EXPECT_EQ(done.result.tensors.size(), 2u);
  Model model = Model::open(folder.at("out-00001-of-00002.gguf"));
  EXPECT_EQ(model.shards().size(), 2u);
  for (float value : values_of(model, "blk.1.ffn_norm.weight"))
    EXPECT_EQ(std::bit_cast<uint32_t>(value) & 0xFFFF, 0u);
}

TEST(Rewrite, RefusesToWriteOverItsInputOrAnExistingFile) {
  Fixture f;
  EXPECT_NE(error_of([&] { quantize(f.input, f.input, "ffn_norm", "bf16", Store::keep, {.force = true}); }),
            "");
  f.folder.write("out.gguf", "precious");
  EXPECT_NE(error_of([&] { quantize(f.input, f.output, "ffn_norm", "bf16"); }).find("--force"),
            std::string::npos);
  EXPECT_EQ(read_file(f.output), "precious");
}

}  // namespace
}  // namespace fakequant
