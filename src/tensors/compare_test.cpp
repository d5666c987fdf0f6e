#include "tensors/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using gguf_testing::error_of;
using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::TestFolder;

CompareOptions silent() {
  CompareOptions options;
  options.progress = Progress::Mode::silent;
  return options;
}

TEST(Compare, FindsWhatIsOnlyInOneAndWhatDiffersInMetadata) {
  TestFolder folder;
  GgufBuilder a;
  a.add("general.name", std::string_view("one"))
      .add("same", uint32_t{1})
      .add("gone", uint32_t{2})
      .add("retyped", uint32_t{3});
  add_values(a, "x", TensorType::F32, {4}, normal_values(4, 1));
  add_values(a, "only_a", TensorType::F32, {4}, normal_values(4, 2));
  add_values(a, "shape", TensorType::F32, {4}, normal_values(4, 3));
  GgufBuilder b;
  b.add("general.name", std::string_view("two"))
      .add("same", uint32_t{1})
      .add("new", uint32_t{2})
      .add("retyped", int32_t{3});
  add_values(b, "only_b", TensorType::F32, {4}, normal_values(4, 2));
  add_values(b, "x", TensorType::F32, {4}, normal_values(4, 1));
  add_values(b, "shape", TensorType::F32, {2, 2}, normal_values(4, 3));
  Comparison found =
      compare(Model::open(folder.write("a", a.build())), Model::open(folder.write("b", b.build())), silent());
  EXPECT_EQ(found.only_in_a, std::vector<std::string>{"only_a"});
  EXPECT_EQ(found.only_in_b, std::vector<std::string>{"only_b"});
  std::vector<std::string> keys;
  for (const MetadataDifference& difference : found.metadata) keys.push_back(difference.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"general.name", "gone", "retyped", "new"}));
  ASSERT_EQ(found.tensors.size(), 2u);
  EXPECT_TRUE(found.tensors[0].same_bytes);
  EXPECT_NE(found.tensors[1].incomparable.find("shapes differ"), std::string::npos);
  EXPECT_EQ(found.total.count, 4u);
}

TEST(Compare, MeasuresAHandComputedPair) {
  TestFolder folder;
  GgufBuilder a;
  GgufBuilder b;
  add_values(a, "x", TensorType::F32, {4}, std::vector<float>{1, 2, 4, -8});
  add_values(b, "x", TensorType::F32, {4}, std::vector<float>{1, 3, 4, -6});
  Comparison found =
      compare(Model::open(folder.write("a", a.build())), Model::open(folder.write("b", b.build())), silent());
  const TensorComparison& x = found.tensors[0];
  EXPECT_EQ(x.difference.changed_count, 2u);
  EXPECT_EQ(x.difference.max_abs, 2.0);
  EXPECT_EQ(x.difference.max_abs_index, 3u);
  EXPECT_NEAR(x.difference.max_rel, 0.5, 1e-9);
  EXPECT_NEAR(x.difference.rmse(), std::sqrt(5.0 / 4), 1e-12);
  EXPECT_NEAR(x.wasserstein1, (2 + 0 + 1 + 0) / 4.0, 1e-12);  // -8 1 2 4 against -6 1 3 4
  EXPECT_EQ(x.wasserstein1_samples, 4u);
  EXPECT_EQ(x.histogram_values, 4u);
  EXPECT_GT(x.histogram_kl_nats, 0.0);
}

TEST(Compare, DifferentTypesAreComparedAsValues) {
  TestFolder folder;
  std::vector<float> values = normal_values(256 * 3, 4);
  round_to_grid(kBf16, Rounding::rne, Overflow::infinite, values);
  GgufBuilder a;
  GgufBuilder b;
  add_values(a, "x", TensorType::F32, {256, 3}, values);
  add_values(b, "x", TensorType::BF16, {256, 3}, values);
  Comparison found =
      compare(Model::open(folder.write("a", a.build())), Model::open(folder.write("b", b.build())), silent());
  EXPECT_EQ(found.total.changed_count, 0u);
  EXPECT_FALSE(found.tensors[0].same_bytes);
}

TEST(Compare, BigTensorsAreSampledEvenlyButMeasuredWhole) {
  TestFolder folder;
  constexpr size_t kCount = 256 * 13000;
  std::vector<float> values = normal_values(kCount, 5);
  GgufBuilder a;
  GgufBuilder b;
  add_values(a, "x", TensorType::F16, {256, 13000}, values);
  for (float& value : values) value *= 1.5f;
  add_values(b, "x", TensorType::F16, {256, 13000}, values);
  std::string path_a = folder.write("a", a.build());
  std::string path_b = folder.write("b", b.build());
  std::vector<Comparison> all;
  for (int threads : {1, 3}) {
    ThreadLimit limit(threads);
    all.push_back(compare(Model::open(path_a), Model::open(path_b), silent()));
  }
  const TensorComparison& x = all[0].tensors[0];
  EXPECT_EQ(x.difference.count, kCount);
  EXPECT_GE(x.histogram_values, uint64_t{1} << 18);
  EXPECT_LT(x.histogram_values, kCount / 8);
  EXPECT_LE(x.wasserstein1_samples, 8192u);
  EXPECT_GE(x.wasserstein1_samples, 4096u);
  // Scaling a normal distribution by 1.5 moves it by 0.5 x E|x| = 0.5 x 0.02 x sqrt(2 / pi); the sample's
  // error is some percent.
  EXPECT_NEAR(x.wasserstein1, 0.5 * 0.02 * std::sqrt(2 / 3.14159265), 4e-4);
  EXPECT_EQ(all[0].total.sum_squared_error, all[1].total.sum_squared_error);
  EXPECT_EQ(x.wasserstein1, all[1].tensors[0].wasserstein1);
  EXPECT_EQ(x.histogram_kl_nats, all[1].tensors[0].histogram_kl_nats);
}

// Columns 1500 to 3499 of rows of 4096 differ: a sample in step with the rows would see all of them or none.
TEST(Compare, SamplesKeepNoStepWithTheRows) {
  TestFolder folder;
  std::vector<float> values(size_t{4096} * 2048, 0.5f);
  GgufBuilder a;
  GgufBuilder b;
  add_values(a, "x", TensorType::F16, {4096, 2048}, values);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % 4096 >= 1500 && i % 4096 < 3500 ? 8.0f : 0.5f;
  add_values(b, "x", TensorType::F16, {4096, 2048}, values);
  CompareOptions options = silent();
  options.keep_histograms = true;
  Comparison found =
      compare(Model::open(folder.write("a", a.build())), Model::open(folder.write("b", b.build())), options);
  const TensorComparison& x = found.tensors[0];
  constexpr double kShare = 2000.0 / 4096;
  // Four standard errors of a sample of 8,192, and of about 256 runs that lie within columns.
  EXPECT_NEAR(x.wasserstein1, 7.5 * kShare, 7.5 * 4 * std::sqrt(kShare * (1 - kShare) / 8192));
  uint64_t zero = x.differences.front().count;
  EXPECT_NEAR(1 - static_cast<double>(zero) / static_cast<double>(x.histogram_values), kShare,
              4 * 0.5 / std::sqrt(256.0));
  EXPECT_GT(x.histogram_kl_nats, 0.1);
}

TEST(Compare, ALayerIsCheckedAgainstBothModels) {
  TestFolder folder;
  GgufBuilder a;
  add_values(a, "blk.0.ffn_norm.weight", TensorType::F32, {4}, normal_values(4, 6));
  add_values(a, "blk.1.ffn_norm.weight", TensorType::F32, {4}, normal_values(4, 7));
  Model model = Model::open(folder.write("a", a.build()));
  CompareOptions options = silent();
  options.layer = 1;
  EXPECT_EQ(compare(model, model, options).tensors.size(), 1u);
  options.layer = 2;
  EXPECT_NE(error_of([&] { compare(model, model, options); }).find("layer 2"), std::string::npos);
}

}  // namespace
}  // namespace fakequant
