#include "tensors/importance.h"

#include <gtest/gtest.h>

#include "tensors/testing.h"

namespace fakequant {
namespace {

using gguf_testing::bytes_of;
using gguf_testing::error_of;
using gguf_testing::GgufBuilder;
using gguf_testing::TestFolder;

TensorInfo matrix(const std::string& name, std::vector<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return {name,
          TensorType::F32,
          shape,
          shape[0],
          count / shape[0],
          count,
          0,
          0,
          static_cast<uint64_t>(count) * 4};
}

std::string legacy_entry(const std::string& name, int32_t calls, const std::vector<float>& values) {
  std::string bytes = bytes_of(static_cast<int32_t>(name.size())) + name + bytes_of(calls) +
                      bytes_of(static_cast<int32_t>(values.size()));
  for (float value : values) bytes += bytes_of(value);
  return bytes;
}

std::string gguf_form(const std::vector<float>& sums, const std::vector<float>& counts,
                      std::vector<int64_t> shape) {
  GgufBuilder builder;
  tensors_testing::add_values(builder, "blk.0.ffn_up.weight.in_sum2", TensorType::F32, shape, sums);
  tensors_testing::add_values(builder, "blk.0.ffn_up.weight.counts", TensorType::F32,
                              {1, static_cast<int64_t>(counts.size())}, counts);
  return builder.build();
}

TEST(ImportanceMatrix, ReadsTheGgufFormAsMeansPerExpert) {
  TestFolder folder;
  std::string path = folder.write("i.gguf", gguf_form({2, 4, 30, 0, 7, 7}, {2, 10, 0}, {2, 3}));
  ImportanceMatrix found = ImportanceMatrix::load(path);
  EXPECT_EQ(found.entry_count(), 1u);
  // The third expert saw nothing: its channels count alike.
  EXPECT_EQ(found.weights_for(matrix("blk.0.ffn_up.weight", {2, 5, 3})),
            (std::vector<float>{1, 2, 3, 0, 1, 1}));
  EXPECT_TRUE(found.weights_for(matrix("other", {2, 5})).empty());
}

TEST(ImportanceMatrix, ReadsTheOlderFormDividedByItsCalls) {
  TestFolder folder;
  std::string bytes = bytes_of(int32_t{2}) + legacy_entry("a", 4, {8, 2}) + legacy_entry("b", 0, {3});
  ImportanceMatrix found = ImportanceMatrix::load(folder.write("i.dat", bytes));
  EXPECT_EQ(found.weights_for(matrix("a", {2, 9})), (std::vector<float>{2, 0.5f}));
  EXPECT_EQ(found.weights_for(matrix("b", {1, 9})), (std::vector<float>{3}));
}

TEST(ImportanceMatrix, RefusesWhatItCannotTrust) {
  TestFolder folder;
  auto load = [&](const std::string& bytes) {
    return error_of([&] { ImportanceMatrix::load(folder.write("i", bytes)); });
  };
  EXPECT_NE(load("").find("cut short"), std::string::npos);
  EXPECT_NE(load(bytes_of(int32_t{0})).find("no importance matrix"), std::string::npos);
  EXPECT_NE(load(bytes_of(int32_t{1}) + legacy_entry("a", 1, {})).find("at least 1"), std::string::npos);
  EXPECT_NE(load(bytes_of(int32_t{1}) + legacy_entry("a", 1, {NAN})).find("wanted a number from 0"),
            std::string::npos);
  EXPECT_NE(load(bytes_of(int32_t{1}) + legacy_entry("a", 1, {-1})).find("wanted a number from 0"),
            std::string::npos);
  EXPECT_NE(load(bytes_of(int32_t{1}) + bytes_of(int32_t{-5})).find("name"), std::string::npos);
  EXPECT_NE(load(GgufBuilder().build()).find("without importance entries"), std::string::npos);
  GgufBuilder half;
  tensors_testing::add_values(half, "a.in_sum2", TensorType::F32, {2}, std::vector<float>{1, 2});
  EXPECT_NE(load(half.build()).find("no counts"), std::string::npos);
  EXPECT_NE(load(gguf_form({1, 2, 3}, {1, 1}, {3})).find("multiple"), std::string::npos);
}

TEST(ImportanceMatrix, EveryTruncationOfTheOlderFormIsReadOrRefused) {
  TestFolder folder;
  std::string bytes = bytes_of(int32_t{2}) + legacy_entry("ab", 4, {8, 2}) + legacy_entry("c", 1, {3});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(error_of([&] { ImportanceMatrix::load(folder.write("i", bytes.substr(0, size))); }), "")
        << size;
  }
}

TEST(ImportanceMatrix, AnEntryOfAnotherSizeOrOfZerosIsAnError) {
  TestFolder folder;
  ImportanceMatrix found = ImportanceMatrix::load(
      folder.write("i", bytes_of(int32_t{2}) + legacy_entry("a", 1, {1, 2}) + legacy_entry("z", 1, {0, 0})));
  EXPECT_NE(error_of([&] {
              found.weights_for(matrix("a", {3, 2}));
            }).find("found 2 values, wanted 3"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              found.weights_for(matrix("z", {2, 2}));
            }).find("for every channel"),
            std::string::npos);
}

TEST(WeightsForRow, FollowsTheMatrixOfTheRow) {
  TensorInfo experts = matrix("e", {2, 3, 2});
  std::vector<float> all{1, 2, 3, 4};
  EXPECT_EQ(weights_for_row(all, experts, 2)[0], 1);
  EXPECT_EQ(weights_for_row(all, experts, 3)[0], 3);
  EXPECT_EQ(rows_sharing_weights(experts, 1), 2);
  EXPECT_EQ(rows_sharing_weights(experts, 3), 3);
  EXPECT_TRUE(weights_for_row({}, experts, 0).empty());
}

}  // namespace
}  // namespace fakequant
