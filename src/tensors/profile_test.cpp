#include "tensors/profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::TestFolder;

constexpr int64_t kLong = (int64_t{1} << 17) + 4096;  // a row that is cut into pieces

struct Fixture {
  TestFolder folder;
  std::string input;

  Fixture() {
    GgufBuilder builder;
    add_values(builder, "blk.0.ffn_up.weight", TensorType::F32, {256, 700}, normal_values(256 * 700, 1));
    add_values(builder, "blk.0.attn_q.weight", TensorType::F32, {64, 5}, normal_values(64 * 5, 2));
    add_values(builder, "blk.1.ffn_up.weight", TensorType::F32, {256, 9}, normal_values(256 * 9, 3));
    add_values(builder, "blk.0.ffn_down.weight", TensorType::F32, {172, 6}, normal_values(172 * 6, 4));
    add_values(builder, "long.weight", TensorType::F32, {kLong, 2}, normal_values(2 * kLong, 5));
    input = folder.write("in.gguf", builder.build());
  }
};

std::vector<Format> formats_of(const std::string& list) {
  return parse_format_list(list);
}

Profile profile(const Model& model, const std::string& tensors, const std::string& formats,
                const ImportanceMatrix& importance = {}, uint64_t seed = 0) {
  std::vector<size_t> chosen = select_tensors(model.tensors(), TensorSelection::parse(tensors), std::nullopt);
  return profile_formats(model, chosen, formats_of(formats), importance, seed, Progress::Mode::silent);
}

void expect_equal(const Difference& found, const Difference& wanted, const std::string& what) {
  EXPECT_EQ(found.count, wanted.count) << what;
  EXPECT_EQ(found.changed_count, wanted.changed_count) << what;
  EXPECT_EQ(found.max_abs, wanted.max_abs) << what;
  EXPECT_EQ(found.sum_squared_error, wanted.sum_squared_error) << what;
  EXPECT_EQ(found.sum_original_squared, wanted.sum_original_squared) << what;
  EXPECT_EQ(found.sum_abs, wanted.sum_abs) << what;
}

TEST(Profile, MeasuresWhatRewriteMeasures) {
  Fixture f;
  Model model = Model::open(f.input);
  // Scales of a value, group, row, cut row and tensor; grids of ggml; draws.
  std::string list = "bf16,int8,int4:tensor,e4m3:sr,int8:group=4:asym,nvfp4,q8_0,q4_0";
  std::string tensors = "ffn_up,attn_q,long";
  Profile found = profile(model, tensors, list);
  ASSERT_EQ(found.formats.size(), 8u);
  for (const FormatProfile& format : found.formats) {
    auto done = quantize(f.input, f.folder.at(format.format.name + ".gguf"), tensors, format.format.name);
    expect_equal(format.total.difference, done.result.total, format.format.name);
    Difference ffn_up = done.result.tensors[0].difference;
    ffn_up.merge(done.result.tensors[2].difference);
    expect_equal(format.cells[0].difference, ffn_up, format.format.name);
    expect_equal(format.cells[1].difference, done.result.tensors[1].difference, format.format.name);
    EXPECT_EQ(format.total.bits, done.plan.chosen_bits) << format.format.name;
    EXPECT_EQ(format.total.measured_tensors, 4u);
  }
}

TEST(Profile, FormatsThatCutATensorInOtherPiecesKeepTheirOwn) {
  Fixture f;
  Profile found = profile(Model::open(f.input), "long", "int8:group=32,int8:group=33,bf16,int8:group=11");
  for (const FormatProfile& format : found.formats) {
    auto done = quantize(f.input, f.folder.at(format.format.name + ".gguf"), "long", format.format.name);
    expect_equal(format.total.difference, done.result.total, format.format.name);
  }
}

TEST(Profile, RolesStandInOrderOfFirstAppearance) {
  Fixture f;
  Profile found = profile(Model::open(f.input), "matrices", "bf16");
  ASSERT_EQ(found.roles.size(), 4u);
  EXPECT_EQ(found.roles[0].name, "ffn_up");
  EXPECT_EQ(found.roles[0].tensors, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(found.roles[0].weights, 256u * 709);
  EXPECT_EQ(found.roles[1].name, "attn_q");
  EXPECT_EQ(found.roles[2].name, "ffn_down");
  EXPECT_EQ(found.formats[0].cells[2].difference.count, 172u * 6);
}

TEST(Profile, ASeedDrawsOtherValuesAndOnlyForStochasticFormats) {
  Fixture f;
  Model model = Model::open(f.input);
  Profile zero = profile(model, "attn_q", "e4m3:sr,e4m3");
  Profile one = profile(model, "attn_q", "e4m3:sr,e4m3", {}, 1);
  EXPECT_NE(zero.formats[0].total.difference.sum_squared_error,
            one.formats[0].total.difference.sum_squared_error);
  EXPECT_EQ(zero.formats[1].total.difference.sum_squared_error,
            one.formats[1].total.difference.sum_squared_error);
}

TEST(Profile, PairsThatDoNotFitAreLeftOutAndCounted) {
  Fixture f;
  Model model = Model::open(f.input);
  Profile found = profile(model, "ffn_up,attn_q,ffn_down", "q4_k,int8");
  const FormatProfile& q4_k = found.formats[0];
  EXPECT_EQ(q4_k.total.measured_tensors, 2u);
  ASSERT_EQ(q4_k.total.left_out.size(), 2u);
  EXPECT_EQ(q4_k.total.left_out[0].tensor_index, 1u);
  EXPECT_NE(q4_k.total.left_out[0].reason.find("rows of 64"), std::string::npos);
  EXPECT_NE(q4_k.total.left_out[1].reason.find("rows of 172"), std::string::npos);
  uint64_t measured = 709 * 144 * 8;
  EXPECT_EQ(q4_k.total.bits, (BitsPerWeight{measured, 256 * 709}));
  EXPECT_EQ(q4_k.total.requested_bits,
            (BitsPerWeight{measured + (64 * 5 + 172 * 6) * 9 / 2, 256 * 709 + 64 * 5 + 172 * 6}));
  EXPECT_EQ(q4_k.total.achieved_bits,
            (BitsPerWeight{measured + (64 * 5 + 172 * 6) * 32, 256 * 709 + 64 * 5 + 172 * 6}));
  EXPECT_EQ(q4_k.cells[1].measured_tensors, 0u);
  EXPECT_EQ(q4_k.cells[1].left_out.size(), 1u);
  EXPECT_EQ(q4_k.cells[1].bits, (BitsPerWeight{0, 0}));
  // What does not fit one format is measured in another.
  EXPECT_EQ(found.formats[1].total.measured_tensors, 4u);
  EXPECT_EQ(found.formats[1].total.achieved_bits, found.formats[1].total.requested_bits);
}

TEST(Profile, ValuesThatAFormatRefusesLeaveTheTensorOut) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values = normal_values(256 * 1000, 1);
  values[200'000] = NAN;
  add_values(builder, "a.weight", TensorType::F32, {256, 1000}, values);
  add_values(builder, "b.weight", TensorType::F32, {256, 4}, normal_values(256 * 4, 2));
  Profile found = profile(Model::open(folder.write("in.gguf", builder.build())), "all", "q8_0,int8");
  const ProfileCell& q8_0 = found.formats[0].total;
  EXPECT_EQ(q8_0.measured_tensors, 1u);
  EXPECT_EQ(q8_0.difference.count, 256u * 4) << "no part of a tensor that failed in another";
  ASSERT_EQ(q8_0.left_out.size(), 1u);
  EXPECT_NE(q8_0.left_out[0].reason.find("NaN"), std::string::npos) << q8_0.left_out[0].reason;
  EXPECT_EQ(q8_0.left_out[0].reason.find("a.weight"), std::string::npos) << "named beside it already";
  EXPECT_EQ(q8_0.achieved_bits.bits, 256u * 1000 * 32 + 4 * 8 * 34 * 8);
  EXPECT_EQ(found.formats[1].total.measured_tensors, 2u);
}

TEST(Profile, TensorsOfOtherTypesAndMissingImportanceAreLeftOutBeforeAnyReading) {
  TestFolder folder;
  GgufBuilder builder;
  builder.add_tensor("d.weight", static_cast<uint32_t>(TensorType::F64), {256}, std::string(256 * 8, '\0'));
  builder.add_tensor("i.weight", static_cast<uint32_t>(TensorType::I32), {256}, std::string(256 * 4, '\0'));
  add_values(builder, "f.weight", TensorType::F32, {256, 1}, normal_values(256, 2));
  Model model = Model::open(folder.write("in.gguf", builder.build()));
  std::vector<size_t> all(3);
  std::iota(all.begin(), all.end(), size_t{0});
  std::vector<LeftOut> of_bf16 = unfit_tensors(model, all, parse_format("bf16"), {});
  ASSERT_EQ(of_bf16.size(), 2u);
  EXPECT_NE(of_bf16[0].reason.find("F64"), std::string::npos);
  EXPECT_NE(of_bf16[1].reason.find("integers"), std::string::npos);
  std::vector<LeftOut> of_iq2 = unfit_tensors(model, all, parse_format("iq2_xxs"), {});
  ASSERT_EQ(of_iq2.size(), 3u);
  EXPECT_NE(of_iq2[2].reason.find("importance"), std::string::npos);
  Profile found = profile(model, "all", "bf16,iq2_xxs,f32");
  EXPECT_EQ(found.formats[0].total.measured_tensors, 1u);
  EXPECT_EQ(found.formats[1].total.measured_tensors, 0u);
  EXPECT_EQ(found.formats[2].total.left_out.size(), 1u) << "f32 leaves integers, but F64 is not read";
}

TEST(Profile, ResultsDoNotDependOnTheNumberOfThreads) {
  Fixture f;
  Model model = Model::open(f.input);
  std::vector<Profile> profiles;
  for (int threads : {1, 2, 5}) {
    ThreadLimit limit(threads);
    profiles.push_back(profile(model, "all", "int4:tensor,q4_0,bf16:sr,nf4"));
  }
  for (size_t i = 1; i < profiles.size(); ++i) {
    for (size_t format = 0; format < profiles[0].formats.size(); ++format) {
      const FormatProfile& wanted = profiles[0].formats[format];
      const FormatProfile& found = profiles[i].formats[format];
      expect_equal(found.total.difference, wanted.total.difference, wanted.format.name);
      for (size_t cell = 0; cell < wanted.cells.size(); ++cell)
        expect_equal(found.cells[cell].difference, wanted.cells[cell].difference, wanted.format.name);
    }
  }
}

}  // namespace
}  // namespace fakequant
