#include "tensors/grids.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/parallel.h"
#include "tensors/inspect.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::TestFolder;

constexpr int64_t kColumns = 256;
constexpr int64_t kRows = 300;  // two pieces
constexpr size_t kCount = kColumns * kRows;

std::vector<GridFinding> grids_of(const Model& model) {
  size_t index = 0;
  return inspect(model, {&index, 1}, {.grids = true, .progress = Progress::Mode::silent})[0].grids;
}

std::vector<GridFinding> grids_of(TensorType storage, std::span<const float> values,
                                  const std::vector<int64_t>& shape = {kColumns, kRows}) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "t.weight", storage, shape, values);
  return grids_of(Model::open(folder.write("m.gguf", builder.build())));
}

// `values` rounded to `format`, as a reader of the format restores them.
std::vector<float> rounded(const std::string& format, const std::vector<float>& values) {
  TestFolder folder;
  GgufBuilder builder;
  add_values(builder, "t.weight", TensorType::F32, {kColumns, kRows}, values);
  std::string input = folder.write("in.gguf", builder.build());
  tensors_testing::quantize(input, folder.at("out.gguf"), "t.weight", format);
  return tensors_testing::values_of(Model::open(folder.at("out.gguf")), "t.weight");
}

std::string listed(const std::vector<GridFinding>& findings) {
  std::string text;
  for (const GridFinding& finding : findings)
    text += fmt::format("{} [{}] {:.4f}\n", finding.format, finding.text(), finding.bits_per_weight);
  return text;
}

struct Upcast {
  const char* format;  // what the values are rounded to before they are stored
  const char* found;   // the first finding
  const char* text;
  float spread = 0.02f;
  int octaves = 0;  // by which blocks of 32 differ, so that a scale per tensor or row would not do
};

constexpr Upcast kUpcasts[] = {
    {"q4_0", "q4_0", "q4_0, F16 scale per 32"},
    {"q5_0", "q5_0", "q5_0, F16 scale per 32"},
    {"q8_0", "q8_0", "q8_0, F16 scale per 32"},
    {"int8", "int8:row:restricted", "int8, F32 scale per row"},
    {"int8:tensor", "int8:tensor:restricted", "int8, F32 scale per tensor"},
    {"int4:group=64", "int4:group=64:restricted", "int4, F32 scale per 64"},
    {"int4:group=32:full", "int4:group=32:full", "int4 full, F32 scale per 32"},
    {"e2m1", "e2m1", "e2m1, no scale", 2},
    {"e2m3", "e2m3", "e2m3, no scale", 2},
    {"e3m2", "e3m2", "e3m2, no scale", 2},
    {"e4m3", "e4m3", "e4m3, no scale", 30, 13},
    {"e5m2", "e5m2", "e5m2, no scale", 1, 13},
    {"e4m3fnuz", "e4m3fnuz", "e4m3fnuz, no scale", 30, 13},
    {"e5m2fnuz", "e5m2fnuz", "e5m2fnuz, no scale", 1, 13},
    {"e2m1:tensor", "e2m1:tensor", "e2m1, F32 scale per tensor"},
    {"e2m3:row", "e2m3:row", "e2m3, F32 scale per row"},
    {"e3m2:group=16", "e3m2:group=16", "e3m2, F32 scale per 16"},
    {"e4m3:tensor", "e4m3:tensor", "e4m3, F32 scale per tensor"},
    {"e4m3:row", "e4m3:row", "e4m3, F32 scale per row"},
    {"e4m3:group=128", "e4m3:group=128", "e4m3, F32 scale per 128"},
    {"e4m3:group=16", "e4m3:group=16", "e4m3, F32 scale per 16"},
    {"e5m2:row", "e5m2:row", "e5m2, F32 scale per row"},
    {"e5m2:group=32", "e5m2:group=32", "e5m2, F32 scale per 32"},
    {"mxfp8_e4m3", "mxfp8_e4m3", "mxfp8_e4m3, power-of-two scale per 32", 1, 13},
    {"mxfp8_e5m2", "mxfp8_e5m2", "mxfp8_e5m2, power-of-two scale per 32", 3000, 25},
    {"mxfp6_e3m2", "mxfp6_e3m2", "mxfp6_e3m2, power-of-two scale per 32", 1, 13},
    {"mxfp6_e2m3", "mxfp6_e2m3", "mxfp6_e2m3, power-of-two scale per 32", 1, 13},
    {"mxfp4", "mxfp4", "mxfp4, power-of-two scale per 32", 1, 13},
    {"mxfp4:scale=rceil", "mxfp4", "mxfp4, power-of-two scale per 32", 1, 13},
    {"mxint8", "mxint8", "mxint8, power-of-two scale per 32", 1, 13},
    {"nvfp4", "nvfp4", "nvfp4, E4M3 scale per 16 and F32 scale per tensor"},
    {"nf4", "nf4", "nf4, F32 scale per 64"},
    {"nf4:group=128", "nf4:group=128", "nf4, F32 scale per 128"},
    {"nf4:row", "nf4:row", "nf4, F32 scale per row"},
    {"nf4:group=32", "nf4:group=32", "nf4, F32 scale per 32"},
};

class ExactGrids : public testing::TestWithParam<std::tuple<Upcast, TensorType>> {};

TEST_P(ExactGrids, RecognisesAnUpcastWithTheGranularityOfItsScalesAndNothingWhenOneValueIsOff) {
  const auto& [upcast, storage] = GetParam();
  std::vector<float> values = normal_values(kCount, 6, upcast.spread);
  for (size_t i = 0; i < values.size() && upcast.octaves > 0; ++i)
    values[i] *= std::ldexp(1.0f, -static_cast<int>(i / 32 * 7 % static_cast<size_t>(upcast.octaves)));
  values = rounded(upcast.format, values);
  std::vector<GridFinding> found = grids_of(storage, values);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].format, upcast.found) << listed(found);
  EXPECT_EQ(found[0].text(), upcast.text);
  // A value of the last row, which nothing but a whole pass sees: two and a half codes of the finest of
  // these, where no other has one either, and with as many bits as the storage type has.
  float largest = 0;
  for (size_t i = kCount - kColumns; i < kCount; ++i) largest = std::max(largest, std::abs(values[i]));
  const uint32_t lowest_bit = storage == TensorType::F16    ? 1u << 13
                              : storage == TensorType::BF16 ? 1u << 16
                                                            : 1u;
  values[kCount - 3] = std::bit_cast<float>(
      (std::bit_cast<uint32_t>(largest * (2.5f / 127)) & ~(lowest_bit - 1)) | lowest_bit);
  std::vector<GridFinding> spoiled = grids_of(storage, values);
  // The few bits of 16-bit storage may lie on a finer grid, and then that is what is to be said.
  if (storage == TensorType::F32) {
    EXPECT_TRUE(spoiled.empty()) << listed(spoiled);
  }
  for (const GridFinding& finding : spoiled)
    EXPECT_GT(finding.bits_per_weight, found[0].bits_per_weight) << listed(spoiled);
}

std::string name_of_case(const Upcast& upcast, TensorType storage) {
  std::string name = fmt::format("{}_in_{}", upcast.format, name_of(storage));
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(
    Formats, ExactGrids,
    testing::Combine(testing::ValuesIn(kUpcasts),
                     testing::Values(TensorType::F16, TensorType::BF16, TensorType::F32)),
    [](const auto& row) { return name_of_case(std::get<0>(row.param), std::get<1>(row.param)); });

class EveryStorage : public testing::TestWithParam<TensorType> {};

TEST_P(EveryStorage, RandomWeightsAreOnNoGrid) {
  for (unsigned seed : {1u, 2u, 3u}) {
    for (float spread : {0.02f, 1.0f, 30.0f}) {
      std::vector<GridFinding> found = grids_of(GetParam(), normal_values(kCount, seed, spread));
      EXPECT_TRUE(found.empty()) << listed(found);
    }
  }
}

TEST_P(EveryStorage, NormsAreOnNoGrid) {
  std::vector<float> norm = normal_values(2048, 9, 0.1f);
  for (float& value : norm) value += 1;
  std::vector<GridFinding> found = grids_of(GetParam(), norm, {2048});
  // BF16 values of one binade are whole multiples of 2^-7: some 8-bit integers fit all of them.
  for (const GridFinding& finding : found) EXPECT_GE(finding.bits_per_weight, 8) << listed(found);
  if (GetParam() != TensorType::BF16) {
    EXPECT_TRUE(found.empty()) << listed(found);
  }
}

TEST_P(EveryStorage, ZerosOneValueNanAndInfinityAreOnNone) {
  std::vector<float> values(kCount, 0.0f);
  EXPECT_TRUE(grids_of(GetParam(), values).empty());
  EXPECT_TRUE(grids_of(GetParam(), std::vector<float>(kCount, 0.5f)).empty());
  values[7] = 1;
  EXPECT_FALSE(grids_of(GetParam(), values).empty());
  for (float special : {NAN, INFINITY, -INFINITY}) {
    values[kCount - 1] = special;
    EXPECT_TRUE(grids_of(GetParam(), values).empty());
  }
}

TEST_P(EveryStorage, TilesOf128Squared) {
  // Two matrices of 200 rows: their last tiles have 72.
  constexpr size_t kMatrixRows = 200;
  std::vector<float> values = normal_values(kColumns * kMatrixRows * 2, 5);
  for (size_t matrix = 0; matrix < 2; ++matrix) {
    for (size_t row = 0; row < kMatrixRows; row += 128) {
      for (size_t column = 0; column < kColumns; column += 128) {
        std::vector<float> tile;
        auto each = [&](auto&& body) {
          for (size_t r = row; r < std::min(kMatrixRows, row + 128); ++r) {
            for (size_t c = column; c < column + 128; ++c)
              body(values[(matrix * kMatrixRows + r) * kColumns + c]);
          }
        };
        each([&](float& value) { tile.push_back(value); });
        fake_quantize_rows(std::get<BlockFormat>(parse_format("e4m3:row").kind),
                           static_cast<int64_t>(tile.size()), {}, tile);
        size_t next = 0;
        each([&](float& value) { value = tile[next++]; });
      }
    }
  }
  const std::vector<int64_t> shape{kColumns, kMatrixRows, 2};
  std::vector<GridFinding> found = grids_of(GetParam(), values, shape);
  ASSERT_EQ(found.size(), 1u) << listed(found);
  EXPECT_EQ(found[0].text(), "e4m3, F32 scale per tile of 128 x 128");
  EXPECT_EQ(found[0].format, found[0].text());
  EXPECT_DOUBLE_EQ(found[0].bits_per_weight, 8 + 32.0 * 8 / (kColumns * kMatrixRows * 2));
  // One scale less: only groups are left.
  for (size_t i = 0; i < 128; ++i) values[i] *= 1.25f;
  found = grids_of(GetParam(), values, shape);
  for (const GridFinding& finding : found) EXPECT_EQ(finding.scales.find("tile"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Types, EveryStorage,
                         testing::Values(TensorType::F16, TensorType::BF16, TensorType::F32),
                         [](const auto& row) { return std::string(name_of(row.param)); });

TEST(ExactGridsOf, KQuantsByQuantizingAgain) {
  std::vector<float> values = normal_values(kCount, 6);
  for (auto [format, storage] : {std::pair{"q4_k", TensorType::F32}, {"q6_k", TensorType::F16}}) {
    std::vector<GridFinding> found = grids_of(storage, rounded(format, values));
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].format, format);
  }
  std::vector<GridFinding> found = grids_of(TensorType::F16, rounded("mxfp4_ggml", values));
  ASSERT_GE(found.size(), 2u);
  EXPECT_EQ(found[0].format, "mxfp4");
  EXPECT_EQ(found[1].format, "mxfp4_ggml");
  EXPECT_EQ(found[1].text(), "mxfp4_ggml, power-of-two scale per 32");
}

// Not only the largest code may be the largest value's.
TEST(ExactGridsOf, TheLargestValueMayHaveAnyCode) {
  std::vector<float> values = normal_values(kCount, 11);
  const BlockFormat e4m3 = std::get<BlockFormat>(parse_format("e4m3").kind);
  for (size_t row = 0; row < kRows; ++row) {
    std::span<float> of_row(values.data() + row * kColumns, kColumns);
    const float scale = 0.0011f * static_cast<float>(1 + row % 7);
    for (float& value : of_row) value /= scale;
    fake_quantize_rows(e4m3, kColumns, {}, of_row);
    for (float& value : of_row) value *= scale;
  }
  std::vector<GridFinding> found = grids_of(TensorType::F16, values);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].format, "e4m3:row");
}

TEST(ExactGridsOf, NamesInTheGrammarParse) {
  for (const Upcast& upcast : kUpcasts) {
    Format format = parse_format(upcast.found);
    for (const GridFinding& finding :
         grids_of(TensorType::F32, rounded(upcast.format, normal_values(kCount, 3, upcast.spread)))) {
      if (finding.text() == finding.format) continue;  // tiles
      Format named = parse_format(finding.format);
      EXPECT_NEAR(finding.bits_per_weight, stored_bits(named, kColumns, kCount).value(), 1e-12)
          << finding.format;
    }
    EXPECT_FALSE(format.name.empty());
  }
}

TEST(ExactGridsOf, ListsNothingThatAnotherFindingMakesSuperfluous) {
  std::vector<GridFinding> found =
      grids_of(TensorType::F32, rounded("e4m3:tensor", normal_values(kCount, 4)));
  for (const GridFinding& finding : found) {
    EXPECT_TRUE(finding.scales.find("per tensor") != std::string::npos) << listed(found);
  }
  found = grids_of(TensorType::F16, rounded("q4_0", normal_values(kCount, 4)));
  EXPECT_EQ(found.size(), 1u) << listed(found);
}

TEST(ExactGridsOf, DoesNotDependOnTheNumberOfThreads) {
  std::vector<float> values = rounded("nvfp4", normal_values(kCount, 8));
  std::vector<std::string> all;
  for (int threads : {1, 2, 5}) {
    ThreadLimit limit(threads);
    all.push_back(listed(grids_of(TensorType::BF16, values)));
  }
  EXPECT_NE(all[0], "");
  EXPECT_EQ(all[1], all[0]);
  EXPECT_EQ(all[2], all[0]);
}

TEST(ExactGridsOf, RowsThatAreCutIntoPieces) {
  constexpr int64_t kLong = (int64_t{1} << 17) + 4096;
  std::vector<float> values = normal_values(kLong * 2, 12);
  for (auto [format, wanted] :
       {std::pair{"e4m3:row", "e4m3:row"}, {"mxfp4", "mxfp4"}, {"nf4:group=4096", "nf4:group=4096"}}) {
    std::vector<float> copy = values;
    fake_quantize_rows(std::get<BlockFormat>(parse_format(format).kind), kLong, {}, copy);
    std::vector<GridFinding> found = grids_of(TensorType::F16, copy, {kLong, 2});
    ASSERT_FALSE(found.empty()) << format;
    EXPECT_EQ(found[0].format, wanted);
  }
}

}  // namespace
}  // namespace fakequant
