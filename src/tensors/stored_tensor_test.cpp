#include "tensors/stored_tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using gguf_testing::error_of;
using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::Quantized;
using tensors_testing::TestFolder;
using tensors_testing::values_of;

constexpr const char* kHalf = "blk.0.ffn_up.weight";
constexpr const char* kSingle = "blk.0.ffn_gate.weight";
constexpr const char* kQuantized = "blk.0.ffn_down.weight";
constexpr int64_t kRows = 600;  // of 256 values: three pieces

// A matrix each of F16 and F32, and a quantized one.
std::string small_model(TestFolder& folder) {
  GgufBuilder builder;
  add_values(builder, kHalf, TensorType::F16, {256, kRows}, normal_values(256 * kRows, 3));
  add_values(builder, kSingle, TensorType::F32, {256, kRows}, normal_values(256 * kRows, 4));
  add_values(builder, kQuantized, TensorType::Q8_0, {256, 4}, normal_values(256 * 4, 5));
  return folder.write("in.gguf", builder.build());
}

// One tensor of a model with its format, ready for a job.
class Job {
 public:
  Job(const std::string& path, const std::string& tensor, const std::string& format, TensorType type_after,
      uint64_t seed = 0)
      : model_(Model::open(path)),
        planned_{index_of(tensor), parse_format(format), Store::keep, "", {0, 0}},
        rounder_(planned_.format, *model_.tensors()[planned_.tensor_index].info, {}, seed),
        type_after_(type_after) {
    if (rounder_.needs_ranges()) rounder_.learn_ranges(view_of(model_, planned_.tensor_index));
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  StorageJob get() const { return {view_of(model_, planned_.tensor_index), planned_, rounder_, type_after_}; }
  size_t piece_count() const { return rounder_.pieces().size(); }

  std::vector<std::byte> bytes(TensorResult& result) const {
    Progress silent("", 0, Progress::Mode::silent);
    return stored_bytes(get(), result, silent);
  }

 private:
  size_t index_of(const std::string& name) const {
    for (size_t i = 0; i < model_.tensors().size(); ++i) {
      if (model_.tensors()[i].info->name == name) return i;
    }
    throw Error("no tensor '{}'", name);
  }

  Model model_;
  PlannedTensor planned_;
  Rounder rounder_;
  TensorType type_after_;
};

void expect_same(const TensorResult& found, const TensorResult& wanted) {
  EXPECT_EQ(found.type_before, wanted.type_before);
  EXPECT_EQ(found.type_after, wanted.type_after);
  EXPECT_EQ(found.store_max_abs, wanted.store_max_abs);
  EXPECT_EQ(found.store_changed_count, wanted.store_changed_count);
  EXPECT_EQ(found.saturated_infinities, wanted.saturated_infinities);
  EXPECT_EQ(found.bytes_changed, wanted.bytes_changed);
  EXPECT_EQ(found.difference.count, wanted.difference.count);
  EXPECT_EQ(found.difference.changed_count, wanted.difference.changed_count);
  EXPECT_EQ(found.difference.max_abs, wanted.difference.max_abs);
  EXPECT_EQ(found.difference.sum_squared_error, wanted.difference.sum_squared_error);
  EXPECT_EQ(found.difference.sum_rel, wanted.difference.sum_rel);
}

struct Case {
  const char* tensor;
  const char* format;
  Store store;
  TensorType type_after;
};

constexpr Case kCases[] = {{kHalf, "bf16:rtz", Store::keep, TensorType::F16},
                           {kHalf, "int4:group=32", Store::keep, TensorType::F16},
                           {kHalf, "int4:tensor", Store::f32, TensorType::F32},
                           {kHalf, "f32", Store::f32, TensorType::F32},
                           {kHalf, "q4_k", Store::keep, TensorType::F16},
                           {kSingle, "e4m3:sr", Store::keep, TensorType::F32},
                           {kSingle, "f32", Store::bf16, TensorType::BF16},
                           {kSingle, "f32", Store::keep, TensorType::F32},
                           {kSingle, "mxfp4", Store::narrow, TensorType::MXFP4},
                           {kSingle, "q4_k", Store::narrow, TensorType::Q4_K},
                           {kSingle, "q3_k", Store::narrow, TensorType::Q3_K},
                           {kQuantized, "f32", Store::keep, TensorType::Q8_0},
                           {kQuantized, "e4m3", Store::f32, TensorType::F32}};

TEST(StoredBytes, AreThoseOfTheFileThatRewriteWrites) {
  TestFolder folder;
  std::string input = small_model(folder);
  for (auto [tensor, format, store, type_after] : kCases) {
    SCOPED_TRACE(std::string(tensor) + " " + format + " " + std::string(name_of(store)));
    Quantized done =
        quantize(input, folder.at("out.gguf"), tensor, format, store, {.force = true, .sync = false});
    Model model = Model::open(done.path);
    const TensorInfo* info = model.find(tensor);
    if (info->type != type_after) {
      ADD_FAILURE() << name_of(info->type);
      continue;
    }
    Job job(input, tensor, format, type_after);
    TensorResult result{};
    std::vector<std::byte> bytes = job.bytes(result);
    std::span<const std::byte> wanted = model.shards()[0].data_of(*info);
    ASSERT_EQ(bytes.size(), wanted.size());
    EXPECT_EQ(std::memcmp(bytes.data(), wanted.data(), wanted.size()), 0);
    expect_same(result, done.result.tensors[0]);
  }
}

TEST(StoredBytes, DoNotDependOnTheNumberOfThreads) {
  TestFolder folder;
  std::string input = small_model(folder);
  for (const char* format : {"int4:tensor", "q4_0", "e4m3:sr"}) {
    Job job(input, kSingle, format, TensorType::F16);
    ASSERT_GT(job.piece_count(), 2U);
    std::vector<std::byte> wanted;
    TensorResult first{};
    for (int threads : {1, 2, 5}) {
      ThreadLimit limit(threads);
      TensorResult result{};
      std::vector<std::byte> bytes = job.bytes(result);
      if (threads == 1) {
        wanted = bytes;
        first = result;
      }
      EXPECT_TRUE(bytes == wanted) << format << ", " << threads;
      expect_same(result, first);
    }
  }
}

TEST(StoreTensor, WritesEveryByteOnce) {
  TestFolder folder;
  std::string input = small_model(folder);
  for (auto [format, type] : {std::pair{"int4:group=32", TensorType::F32}, {"f32", TensorType::F16}}) {
    Job job(input, kHalf, format, type);
    std::vector<int> times(256 * kRows * (type == TensorType::F32 ? 4 : 2), 0);
    std::mutex mutex;
    Progress silent("", 0, Progress::Mode::silent);
    auto write = [&](uint64_t offset, std::span<const std::byte> bytes) {
      std::lock_guard lock(mutex);
      for (size_t i = 0; i < bytes.size(); ++i) ++times.at(offset + i);
    };
    TensorResult result = store_tensor(job.get(), write, silent);
    EXPECT_TRUE(times == std::vector<int>(times.size(), 1)) << format;
    EXPECT_EQ(result.plan_index, 0U);
  }
}

TEST(StoreTensor, TellsWhetherBytesChanged) {
  TestFolder folder;
  std::string input = small_model(folder);
  TensorResult result{};
  Job(input, kHalf, "f32", TensorType::F16).bytes(result);
  EXPECT_FALSE(result.bytes_changed);
  EXPECT_EQ(result.difference.changed_count, 0U);
  // F16 values under a format that holds them all: equal again after a way through F32.
  Job(input, kHalf, "tf32", TensorType::F16).bytes(result);
  EXPECT_FALSE(result.bytes_changed);
  // In another type they are other bytes, though the values are the same.
  Job(input, kHalf, "f32", TensorType::F32).bytes(result);
  EXPECT_TRUE(result.bytes_changed);
  EXPECT_EQ(result.difference.changed_count, 0U);
  EXPECT_EQ(result.store_changed_count, 0U);
  Job(input, kHalf, "e4m3", TensorType::F16).bytes(result);
  EXPECT_TRUE(result.bytes_changed);
  EXPECT_GT(result.difference.changed_count, 0U);
}

TEST(StoreTensor, TellsOfAnotherTypeThoughTheBytesAreTheSame) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "zeros", TensorType::F16, {64}, std::vector<float>(64, 0.0F));
  std::string input = folder.write("in.gguf", builder.build());
  TensorResult result{};
  Job(input, "zeros", "f32", TensorType::BF16).bytes(result);
  EXPECT_TRUE(result.bytes_changed);
}

TEST(StoreTensor, MeasuresAllPiecesTogether) {
  // Large values in the first piece, zeros, which nothing changes, in the last.
  std::vector<float> normal = normal_values(256 * kRows, 6);
  for (size_t i = 0; i < 256 * 100; ++i) normal[i] *= 50;
  std::fill(normal.end() - 256 * 300, normal.end(), 0.0F);
  for (size_t large : {size_t{0}, size_t{256 * 290}}) {
    SCOPED_TRACE(large);
    // In the first piece or the second: beside 99, of which a code is a seventh, 7 becomes 0, the largest error.
    std::vector<float> values = normal;
    values[large] = 99;
    values[large + 1] = 7;
    TestFolder folder;
    GgufBuilder builder;
    add_values(builder, kHalf, TensorType::F16, {256, kRows}, values);
    std::string input = folder.write("in.gguf", builder.build());
    TensorResult result{};
    Job job(input, kHalf, "int4:group=32", TensorType::F16);
    ASSERT_GT(job.piece_count(), 2U);
    std::vector<std::byte> bytes = job.bytes(result);

    std::vector<float> original = values_of(Model::open(input), kHalf);
    std::vector<float> rounded = original;
    fake_quantize_rows(std::get<BlockFormat>(parse_format("int4:group=32").kind), 256, {}, rounded);
    std::vector<float> stored(original.size());
    decode(TensorType::F16, bytes, stored);
    double largest = 0;
    uint64_t changed = 0;
    for (size_t i = 0; i < stored.size(); ++i) {
      largest = std::max(largest, std::abs(double{rounded[i]} - double{stored[i]}));
      changed += rounded[i] != stored[i] ? 1 : 0;
    }
    Difference wanted = measure_difference(original, stored);
    EXPECT_EQ(result.type_before, TensorType::F16);
    EXPECT_EQ(result.type_after, TensorType::F16);
    EXPECT_TRUE(result.bytes_changed);
    EXPECT_GT(changed, 0U);
    EXPECT_EQ(result.store_changed_count, changed);
    EXPECT_EQ(result.store_max_abs, largest);
    EXPECT_EQ(result.difference.changed_count, wanted.changed_count);
    EXPECT_EQ(result.difference.max_abs, wanted.max_abs);
    EXPECT_EQ(result.difference.max_abs_index, large + 1);
    EXPECT_EQ(result.difference.max_abs_index, wanted.max_abs_index);
    EXPECT_EQ(result.difference.max_rel_index, wanted.max_rel_index);
  }
}

TEST(StoreTensor, CountsInfinitiesThatBecomeFinite) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values(256 * kRows,
                            1.0F);  // two in the first piece, one in the second, none in the last
  values[0] = INFINITY;
  values[1] = -INFINITY;
  values[256 * 290] = INFINITY;
  add_values(builder, "a", TensorType::F32, {256, kRows}, values);
  std::string input = folder.write("in.gguf", builder.build());
  TensorResult result{};
  Job(input, "a", "f16:sat", TensorType::F32).bytes(result);
  EXPECT_EQ(result.saturated_infinities, 3U);
  Job(input, "a", "f16", TensorType::F32).bytes(result);
  EXPECT_EQ(result.saturated_infinities, 0U);
}

TEST(StoreTensor, KeepsTheBytesOfValuesThatRoundingLeaves) {
  TestFolder folder;
  GgufBuilder builder;
  // Zeros behind codes that ggml would not choose for them: blocks with a scale of 0.
  std::string blocks(4 * 34, '\x11');
  for (size_t i = 0; i < blocks.size(); i += 34) blocks.replace(i, 2, std::string(2, '\0'));
  builder.add_tensor("quantized", static_cast<uint32_t>(TensorType::Q8_0), {32, 4}, blocks);
  std::string input = folder.write("in.gguf", builder.build());
  TensorResult result{};
  EXPECT_EQ(gguf_testing::text_of(Job(input, "quantized", "bf16", TensorType::Q8_0).bytes(result)), blocks);
  EXPECT_FALSE(result.bytes_changed);
}

TEST(StoreTensor, WhatStoringTakesBackIsNoChange) {
  // Codes of 16 bits move these values by less than half a step of F16.
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = 1 + static_cast<float>(i) / 64;
  add_values(builder, "a", TensorType::F16, {64}, values);
  std::string input = folder.write("in.gguf", builder.build());
  TensorResult result{};
  Job(input, "a", "int16:group=32", TensorType::F16).bytes(result);
  EXPECT_GT(result.store_changed_count, 0U);
  EXPECT_EQ(result.difference.changed_count, 0U);
  EXPECT_FALSE(result.bytes_changed);
}

TEST(StoreTensor, RefusesAQuantizedTypeThatCannotHoldTheValues) {
  TestFolder folder;
  std::string input = small_model(folder);
  Job job(input, kQuantized, "int4:group=32", TensorType::Q8_0);
  TensorResult result{};
  std::string error = error_of([&] { job.bytes(result); });
  EXPECT_NE(error.find("tensor 'blk.0.ffn_down.weight': its storage type Q8_0 cannot hold"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("--store auto"), std::string::npos) << error;
}

TEST(StoreTensor, NamesATensorWithNanThatAGgmlTypeMeets) {
  TestFolder folder;
  GgufBuilder builder;
  std::vector<float> values(64, 1.0F);
  values[40] = NAN;
  add_values(builder, "with_nan", TensorType::F32, {32, 2}, values);
  std::string input = folder.write("in.gguf", builder.build());
  Job job(input, "with_nan", "q4_0", TensorType::F32);
  TensorResult result{};
  std::string error = error_of([&] { job.bytes(result); });
  EXPECT_NE(error.find("'with_nan'"), std::string::npos) << error;
}

TEST(StoreTensor, PassesOnWhatWriteThrows) {
  TestFolder folder;
  std::string input = small_model(folder);
  Job job(input, kHalf, "bf16", TensorType::F16);
  Progress silent("", 0, Progress::Mode::silent);
  auto write = [](uint64_t, std::span<const std::byte>) { throw Error("the disk is full"); };
  EXPECT_EQ(error_of([&] { store_tensor(job.get(), write, silent); }), "the disk is full");
}

}  // namespace
}  // namespace fakequant
