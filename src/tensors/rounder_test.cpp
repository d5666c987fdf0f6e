#include "tensors/rounder.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"
#include "formats/random_words.h"
#include "tensors/importance.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::normal_values;

struct MemoryTensor {
  std::vector<float> values;
  TensorInfo info;

  MemoryTensor(std::vector<float> given, std::vector<int64_t> shape) : values(std::move(given)) {
    int64_t row_length = shape[0];
    auto count = static_cast<int64_t>(values.size());
    info = {"t", TensorType::F32,  std::move(shape), row_length, count / row_length, count, 0,
            0,   values.size() * 4};
  }
  TensorView view() const { return {&info, std::as_bytes(std::span(values))}; }
};

std::vector<float> rounded_by_pieces(const MemoryTensor& tensor, const Format& format,
                                     std::span<const float> importance = {}) {
  Rounder rounder(format, tensor.info, {importance.begin(), importance.end()});
  if (rounder.needs_ranges()) rounder.learn_ranges(tensor.view());
  std::vector<float> result = tensor.values;
  std::vector<std::byte> bytes;
  for (const Piece& piece : rounder.pieces()) {
    rounder.round(piece,
                  std::span(result).subspan(static_cast<size_t>(piece.first_value),
                                            static_cast<size_t>(piece.value_count)),
                  bytes);
  }
  return result;
}

TEST(Rounder, OwnFormatsGiveWhatFakeQuantizeRowsGives) {
  MemoryTensor tensor(normal_values(128 * 1500, 1), {128, 1500});
  for (const char* name : {"f32", "bf16:rtz", "f16", "tf32:rna", "int4", "int4:tensor", "int8:group=32:asym",
                           "int3:tensor:full"}) {
    Format format = parse_format(name);
    std::vector<float> wanted = tensor.values;
    fake_quantize_rows(std::get<BlockFormat>(format.kind), 128, {scale_range(tensor.values)}, wanted);
    EXPECT_EQ(rounded_by_pieces(tensor, format), wanted) << name;
  }
}

TEST(Rounder, ARowLongerThanAPieceHasOneScaleAllTheSame) {
  constexpr int64_t kRow = (int64_t{1} << 20) + 4096;
  MemoryTensor tensor(normal_values(2 * kRow, 2), {kRow, 2});
  tensor.values[5] = 1.0f;             // the extreme of the first row lies in its first piece
  tensor.values[2 * kRow - 1] = 3.0f;  // and of the second in its last
  for (const char* name : {"int8", "int8:asym", "int4:group=64", "int4:tensor", "e4m3:row", "nvfp4",
                           "nf4:tensor", "mxfp4", "bf16:sr", "e4m3:row:sr", "nf4:row:sr", "nvfp4:sr"}) {
    Format format = parse_format(name);
    std::vector<float> wanted = tensor.values;
    TensorContext context{.range = scale_range(tensor.values), .random_key = random_key(0, tensor.info.name)};
    fake_quantize_rows(std::get<BlockFormat>(format.kind), kRow, context, wanted);
    EXPECT_EQ(rounded_by_pieces(tensor, format), wanted) << name;
  }
}

TEST(RounderDeathTest, ScalesThatAreSharedMustBeLearntFirst) {
  MemoryTensor tensor(normal_values(64, 2), {64});
  Format format = parse_format("nvfp4");
  Rounder rounder(format, tensor.info, {});
  std::vector<std::byte> bytes;
  EXPECT_DEATH(rounder.round(rounder.pieces()[0], tensor.values, bytes), "");
}

TEST(Rounder, GgmlTypesGiveWhatTheCodecGives) {
  MemoryTensor tensor(normal_values(512 * 300, 3), {512, 300});
  for (TensorType type : {TensorType::Q4_K, TensorType::Q8_0, TensorType::IQ4_NL, TensorType::TQ2_0}) {
    std::string bytes = tensors_testing::encoded(type, 512, tensor.values);
    std::vector<float> wanted(tensor.values.size());
    decode(type, std::as_bytes(std::span(bytes)), wanted);
    EXPECT_EQ(rounded_by_pieces(tensor, parse_format(lower_name(type))), wanted) << name_of(type);
  }
}

TEST(Rounder, EachExpertHasItsOwnImportance) {
  MemoryTensor tensor(normal_values(256 * 4 * 3, 4), {256, 4, 3});
  std::vector<float> importance(256 * 3);
  for (size_t i = 0; i < importance.size(); ++i)
    importance[i] = 0.1f + static_cast<float>((i * (1 + i / 256)) % 11);
  Format format = parse_format("q4_k");
  std::vector<float> found = rounded_by_pieces(tensor, format, importance);
  for (size_t expert = 0; expert < 3; ++expert) {
    MemoryTensor alone({tensor.values.begin() + static_cast<std::ptrdiff_t>(expert * 1024),
                        tensor.values.begin() + static_cast<std::ptrdiff_t>((expert + 1) * 1024)},
                       {256, 4});
    std::vector<float> wanted =
        rounded_by_pieces(alone, format, std::span(importance).subspan(expert * 256, 256));
    EXPECT_TRUE(
        std::equal(wanted.begin(), wanted.end(), found.begin() + static_cast<std::ptrdiff_t>(expert * 1024)))
        << expert;
  }
}

TEST(Rounder, NamesTheTensorWhenImportanceIsMissingOrValuesAreNotFinite) {
  MemoryTensor tensor(normal_values(256, 5), {256});
  EXPECT_NE(
      gguf_testing::error_of([&] { Rounder(parse_format("iq2_xxs"), tensor.info, {}); }).find("tensor 't'"),
      std::string::npos);
  tensor.values[3] = NAN;
  Format format = parse_format("q4_k");
  EXPECT_NE(gguf_testing::error_of([&] { rounded_by_pieces(tensor, format); }).find("tensor 't'"),
            std::string::npos);
}

}  // namespace
}  // namespace fakequant
