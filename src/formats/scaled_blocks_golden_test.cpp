// Formats with scales against what libraries give: tests/golden/README.md says who computed which file.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "formats/scaled_blocks.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

// The largest finite magnitude.
float amax_of(std::span<const float> values) {
  return scale_range(values).amax;
}

// The scale that a block of this largest magnitude gets, seen from outside: rounded toward zero, the smallest
// of all powers of two that survives is the grid's smallest value times the scale. 0 where none survives.
float observed_scale(BlockFormat format, float smallest, const ScaleRange& tensor, float amax) {
  constexpr size_t kProbes = 64;
  std::vector<float> block = powers_of_two(std::ilogb(amax), kProbes);
  for (float& probe : block) probe = std::min(probe, amax);
  block[kProbes - 1] = amax;
  format.rounding = Rounding::rtz;
  round_blocks(format, kProbes, {.range = tensor}, block);
  float least = 0;
  for (float value : block) least = value > 0 && (least == 0 || value < least) ? value : least;
  return least / smallest;
}

struct GoldenBlocks {
  const char* file;
  const char* format;
  bool observable;  // whether observed_scale can tell the scale: not where a block needs all its values
};

const GoldenBlocks kGoldenMx[] = {
    {"mxfp8_e4m3_floor", "mxfp8_e4m3", true},
    {"mxfp8_e4m3_ceil", "mxfp8_e4m3:scale=ceil", true},
    {"mxfp8_e4m3_rceil", "mxfp8_e4m3:scale=rceil", true},
    {"mxfp8_e5m2_floor", "mxfp8_e5m2", true},
    {"mxfp8_e5m2_rceil", "mxfp8_e5m2:scale=rceil", true},
    {"mxfp6_e3m2_floor", "mxfp6_e3m2", true},
    {"mxfp6_e2m3_floor", "mxfp6_e2m3", true},
    {"mxfp4_e2m1_floor", "mxfp4", true},
    {"mxfp4_e2m1_ceil", "mxfp4:scale=ceil", true},
    {"mxfp4_e2m1_rceil", "mxfp4:scale=rceil", true},
    {"mxint8_floor", "mxint8", true},
};

class GoldenMx : public testing::TestWithParam<GoldenBlocks> {};

// Signs of zeros included.
TEST_P(GoldenMx, RestoredValuesAreBitEqual) {
  std::vector<float> wanted = read_golden<float>(std::string(GetParam().file) + ".f32");
  EXPECT_TRUE(same_values(restored(GetParam().format, 32, read_golden<float>("mx_in.f32")), wanted));
}

double smallest_element(const BlockFormat& format) {
  const auto* grid = std::get_if<FloatGrid>(&format.grid);
  return grid != nullptr ? grid->min_subnormal() : 1.0 / 64;
}

TEST_P(GoldenMx, ScalesAreThoseOfTheScaleBytes) {
  const BlockFormat format = own_format(GetParam().format);
  std::vector<float> input = read_golden<float>("mx_in.f32");
  std::vector<uint8_t> bytes = read_golden<uint8_t>(std::string(GetParam().file) + ".e8");
  ASSERT_EQ(bytes.size() * 32, input.size());
  size_t seen = 0;
  for (size_t b = 0; b < bytes.size(); ++b) {
    float amax = amax_of(std::span(input).subspan(b * 32, 32));
    float scale =
        amax > 0 ? observed_scale(format, static_cast<float>(smallest_element(format)), {}, amax) : 0;
    if (scale == 0) continue;
    EXPECT_EQ(scale, std::ldexp(1.0f, bytes[b] - 127))
        << "block " << b << " of largest magnitude " << in_hex(amax);
    ++seen;
  }
  // All but the zero block and those that vanish.
  EXPECT_GE(seen, bytes.size() - 4);
}

INSTANTIATE_TEST_SUITE_P(AllFiles, GoldenMx, testing::ValuesIn(kGoldenMx),
                         [](const auto& row) { return std::string(row.param.file); });

// Bit 2 of a flag: ggml's block is another, signs of zeros aside. ggml rounds ties toward zero and takes the
// scale from a logarithm in F32.
TEST(GoldenMxDisagreements, GgmlDiffersFromOursExactlyWhereTheFlagsSaySo) {
  std::vector<float> ours = restored("mxfp4", 32, read_golden<float>("mx_in.f32"));
  std::vector<float> theirs = read_golden<float>("ggml_mxfp4.f32");
  std::vector<uint8_t> flags = read_golden<uint8_t>("mxfp4_e2m1_floor.flags");
  size_t different = 0;
  for (size_t b = 0; b < flags.size(); ++b) {
    bool equal = std::equal(ours.begin() + static_cast<ptrdiff_t>(b * 32),
                            ours.begin() + static_cast<ptrdiff_t>(b * 32 + 32),
                            theirs.begin() + static_cast<ptrdiff_t>(b * 32));
    EXPECT_EQ(equal, (flags[b] & 4) == 0) << "block " << b;
    different += equal ? 0 : 1;
  }
  EXPECT_GT(different, 0u);
}

// Bit 0 of a flag: microxcaling's block is another, signs of zeros aside. It leaves -2 unused, and takes the
// scale from a logarithm in F32.
TEST(GoldenMxDisagreements, MicroxcalingDiffersInFlaggedBlocksMostlyByTheCodeOfMinusTwo) {
  std::vector<float> ours = restored("mxint8", 32, read_golden<float>("mx_in.f32"));
  std::vector<float> theirs = read_golden<float>("mxint8_floor_microxcaling.f32");
  std::vector<uint8_t> flags = read_golden<uint8_t>("mxint8_floor.flags");
  std::vector<uint8_t> bytes = read_golden<uint8_t>("mxint8_floor.e8");
  size_t by_the_code = 0;
  for (size_t b = 0; b < flags.size(); ++b) {
    float lowest = -2.0f * std::ldexp(1.0f, bytes[b] - 127);
    size_t different = 0;
    size_t of_the_lowest = 0;
    for (size_t i = b * 32; i < b * 32 + 32; ++i) {
      if (ours[i] == theirs[i]) continue;
      ++different;
      if (ours[i] == lowest && theirs[i] == lowest / 128 * 127) ++of_the_lowest;
    }
    EXPECT_EQ(different > 0, (flags[b] & 1) != 0) << "block " << b;
    by_the_code += different > 0 && different == of_the_lowest ? 1 : 0;
  }
  EXPECT_GT(by_the_code, 0u);
}

// ModelOpt's logarithm of amax / 6 in F32 loses the last bit of an amax just above a power of two, it rounds
// ties toward zero and writes -0 for 0; everything else is rceil.
TEST(GoldenMxDisagreements, ModelOptDiffersFromRceilInTiesAndInFewScales) {
  std::vector<float> input = read_golden<float>("mx_in.f32");
  std::vector<float> ours = restored("mxfp4:scale=rceil", 32, input);
  std::vector<float> theirs = read_golden<float>("mxfp4_e2m1_modelopt.f32");
  std::vector<uint8_t> bytes = read_golden<uint8_t>("mxfp4_e2m1_rceil.e8");
  std::vector<size_t> odd_blocks;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] == theirs[i]) continue;
    double quotient = std::abs(static_cast<double>(input[i]) / std::ldexp(1.0, bytes[i / 32] - 127));
    bool tie = quotient == 0.75 || quotient == 1.75 || quotient == 3.5;
    if (!tie && (odd_blocks.empty() || odd_blocks.back() != i / 32)) odd_blocks.push_back(i / 32);
  }
  EXPECT_LE(odd_blocks.size(), 3u);
}

// Rows name blocks by their number in the original set, of which every second is kept.
TEST(GoldenMxDisagreements, OursFollowsTheReferenceWhereALibraryDoesNot) {
  std::vector<float> input = read_golden<float>("mx_in.f32");
  size_t compared = 0;
  for (const auto& row : read_golden_csv("mx_disagreements.csv")) {
    ASSERT_EQ(row[1], "floor");
    size_t block = std::strtoul(row[5].c_str(), nullptr, 10);
    if (block % 2 != 0) continue;
    size_t at = block / 2 * 32 + std::strtoul(row[7].c_str(), nullptr, 10);
    ASSERT_EQ(input[at], std::strtof(row[8].c_str(), nullptr)) << row[6];
    float found = restored(row[0] == "mxfp4_e2m1" ? "mxfp4" : row[0], 32, input)[at];
    EXPECT_EQ(found, std::strtof(row[9].c_str(), nullptr)) << row[0] << " " << row[6];
    EXPECT_NE(found, std::strtof(row[10].c_str(), nullptr)) << row[0] << " " << row[6];
    ++compared;
  }
  EXPECT_GT(compared, 20u);
}

// torchao's rows: one NaN or Inf spoils a block. mx_specials.csv gives the value at element 3, the first
// value and the first input; what else is in a block does not matter.
TEST(GoldenMxSpecials, ANanOrAnInfMakesItsBlockNan) {
  size_t compared = 0;
  for (const auto& row : read_golden_csv("mx_specials.csv")) {
    if (row[1] != "torchao_floor" && row[1] != "torchao_rceil") continue;
    ASSERT_TRUE(row[3] == "nan" && row[4] == "nan" && row[6] == "32" && row[7] == "0");
    std::string rule = row[1] == "torchao_floor" ? ":scale=floor" : ":scale=rceil";
    std::vector<float> block(64, std::strtof(row[5].c_str(), nullptr));
    for (size_t i = 32; i < 64; ++i) block[i] = 1.0f;
    if (row[2] == "one_nan" || row[2] == "nan_and_inf") block[3] = kNan;
    if (row[2] == "one_+inf") block[3] = kInf;
    if (row[2] == "one_-inf") block[3] = -kInf;
    if (row[2] == "nan_and_inf") block[4] = -kInf;
    std::vector<float> found = restored((row[0] == "mxfp4_e2m1" ? "mxfp4" : row[0]) + rule, 64, block);
    for (size_t i = 0; i < 64; ++i)
      EXPECT_EQ(std::isnan(found[i]), i < 32) << row[0] << " " << row[1] << " " << row[2];
    ++compared;
  }
  EXPECT_EQ(compared, 60u);
}

// E8M0 alone: a grid whose largest value is 1 makes the quotient that a scale rule sees the value itself.
// `rne` of ml_dtypes has no counterpart: our even rule adds half an element's last place and never resolves a
// tie by the code. Column 4 has the NaN code from just above 2^127 on, which no format of ours meets: its
// elements reach beyond 1.
TEST(GoldenScales, FloorAndRceilGiveTheCodesOfTheReferences) {
  const FloatGrid unit{2, 0, 3, FloatKind::finite};
  ASSERT_EQ(unit.max_value(), 1.0);
  BlockFormat format{
      .grid = unit, .extent = ScaleExtent::group, .group_values = 64, .scale_type = ScaleType::e8m0};
  std::vector<uint32_t> rows = read_golden<uint32_t>("scale_e8m0.u32x5");
  size_t seen = 0;
  for (size_t i = 0; i < rows.size(); i += 5) {
    float amax = from_bits(rows[i]);
    if (!std::isfinite(amax) || amax == 0) continue;
    for (auto [rule, column] : {std::pair{ScaleRule::floor, 3}, {ScaleRule::rceil, 4}}) {
      format.scale_rule = rule;
      float scale = observed_scale(format, static_cast<float>(unit.min_subnormal()), {}, amax);
      uint32_t code = rows[i + static_cast<size_t>(column)];
      if (scale == 0 || code == 255) continue;
      EXPECT_EQ(scale, std::ldexp(1.0f, static_cast<int>(code) - 127))
          << "column " << column << " of " << in_hex(amax);
      ++seen;
    }
  }
  EXPECT_GT(seen, rows.size() / 5);
}

// 27 tensors of 8 x 64.
constexpr size_t kTensorValues = 512;
constexpr int64_t kTensorRow = 64;

// Of the tensor of zeros ModelOpt makes NaN, and we zeros. Its zeros ignore the sign of what they come from:
// the table has +0 for the code of -0, and -0 comes only of a code of -6 in a block whose scale vanished.
// They are compared by value.
TEST(GoldenNvfp4, RestoredValuesAreModelOptsButZerosStayZeros) {
  std::vector<float> input = read_golden<float>("nvfp4_in.f32");
  std::vector<float> wanted = read_golden<float>("nvfp4_modelopt.f32");
  std::vector<float> scales = read_golden<float>("nvfp4_modelopt.scales.f32");
  std::vector<std::string> tags = read_golden_lines("nvfp4_in_tags.txt");
  ASSERT_EQ(tags.size() * kTensorValues, input.size());
  for (size_t t = 0; t < tags.size(); ++t) {
    const size_t begin = t * kTensorValues;
    std::vector<float> tensor(&input[begin], &input[begin] + kTensorValues);
    std::vector<float> found = restored("nvfp4", kTensorRow, tensor);
    for (size_t i = 0; i < kTensorValues; ++i) {
      float expected = wanted[begin + i];
      if (tags[t] == "all_zero") {
        EXPECT_TRUE(std::isnan(expected) && to_bits(found[i]) == 0);
        continue;
      }
      ASSERT_TRUE(!std::signbit(expected) || expected < 0 || scales[(begin + i) / 16] == 0);
      ASSERT_EQ(found[i], expected) << tags[t] << " at " << begin + i << ", from " << in_hex(tensor[i]);
    }
  }
}

TEST(GoldenNvfp4, BlockScalesAreModelOpts) {
  const BlockFormat format = own_format("nvfp4");
  std::vector<float> input = read_golden<float>("nvfp4_in.f32");
  std::vector<float> wanted = read_golden<float>("nvfp4_modelopt.scales.f32");
  ASSERT_EQ(wanted.size() * 16, input.size());
  size_t seen = 0;
  for (size_t b = 0; b < wanted.size(); ++b) {
    ScaleRange tensor =
        scale_range(std::span(input).subspan(b * 16 / kTensorValues * kTensorValues, kTensorValues));
    float amax = amax_of(std::span(input).subspan(b * 16, 16));
    if (amax == 0) continue;
    float scale = observed_scale(format, 0.5f, tensor, amax);
    EXPECT_EQ(scale, wanted[b] * (tensor.amax / (6.0f * 448.0f))) << "block " << b;
    seen += scale > 0 ? 1 : 0;
  }
  EXPECT_GT(seen, wanted.size() / 2);
}

TEST(GoldenNf4, RestoredValuesAreBitsandbytes) {
  std::vector<float> input = read_golden<float>("nf4_in_x64.f32");
  EXPECT_TRUE(same_values(restored("nf4", 64, input), read_golden<float>("nf4_out_x64.f32")));
  // The same as rows, and as one row of many blocks.
  EXPECT_TRUE(same_values(restored("nf4:row", 64, input), read_golden<float>("nf4_out_x64.f32")));
  EXPECT_TRUE(same_values(restored("nf4", static_cast<int64_t>(input.size()), input),
                          read_golden<float>("nf4_out_x64.f32")));
}

TEST(GoldenNf4, ScalesAreBitsandbytes) {
  std::vector<float> input = read_golden<float>("nf4_in_x64.f32");
  std::vector<float> wanted = read_golden<float>("nf4_absmax.f32");
  for (size_t b = 0; b < wanted.size(); ++b)
    EXPECT_TRUE(same(amax_of(std::span(input).subspan(b * 64, 64)), wanted[b])) << "block " << b;
}

struct GoldenInteger {
  const char* file;
  const char* format;
};

class GoldenIntegers : public testing::TestWithParam<GoldenInteger> {};

// torch's observers put a floor of 2^-23 under the scale, where design.md puts none: blocks that meet the
// floor are held to our own rule (the largest value is restored) instead of torch's zeros. torch writes a
// code of zero as -0 where the value is negative and the zero point 0; we write +0: zeros are compared by
// value.
TEST_P(GoldenIntegers, RestoredValuesAreTorchsAboveItsScaleFloor) {
  constexpr size_t kRowLength = 128;
  std::string file = GetParam().file;
  std::vector<float> input = read_golden<float>("int_in_16x128.f32");
  std::vector<float> wanted = read_golden<float>(file + ".f32");
  std::vector<float> scales = read_golden<float>(file + ".scale_zp.f32x2");
  std::vector<float> found = restored(GetParam().format, kRowLength, input);
  ASSERT_EQ(found.size(), wanted.size());
  size_t block = input.size() / (scales.size() / 2);
  size_t compared = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (scales[i / block * 2] == 0x1p-23f) {
      float amax = amax_of(std::span(input).subspan(i / block * block, block));
      ASSERT_EQ(found[i] == 0, std::abs(input[i]) <= amax / 300) << "at " << i;
      continue;
    }
    ASSERT_TRUE(same(found[i], wanted[i])) << GetParam().format << " at " << i;
    ++compared;
  }
  EXPECT_GE(compared, found.size() / 2);
}

const GoldenInteger kGoldenIntegers[] = {
    {"int8_sym_restricted_tensor", "int8:tensor"},
    {"int8_sym_restricted_row", "int8"},
    {"int8_sym_restricted_group32", "int8:group=32"},
    {"int8_sym_full_tensor", "int8:tensor:full"},
    {"int8_sym_full_row", "int8:full"},
    {"int8_sym_full_group32", "int8:group=32:full"},
    {"int8_affine_tensor", "int8:tensor:asym"},
    {"int8_affine_row", "int8:row:asym"},
    {"int8_affine_group32", "int8:group=32:asym"},
};

INSTANTIATE_TEST_SUITE_P(AllFiles, GoldenIntegers, testing::ValuesIn(kGoldenIntegers),
                         [](const auto& row) { return std::string(row.param.file); });

// bitsandbytes computes x * (127 / amax) and restores code * amax * (1/127): our codes may differ on the few
// ties that fall otherwise in F32, and values in the last place.
TEST(GoldenIntegers, RowsAreBitsandbytesUpToTheOrderOfOperations) {
  std::vector<float> input = read_golden<float>("int_in_16x128.f32");
  std::vector<float> wanted = read_golden<float>("int8_bnb_row.f32");
  std::vector<int8_t> codes = read_golden<int8_t>("int8_bnb_row.q.i8");
  std::vector<float> found = restored("int8", 128, input);
  size_t other_codes = 0;
  for (size_t row = 0; row < input.size() / 128; ++row) {
    float amax = amax_of(std::span(input).subspan(row * 128, 128));
    for (size_t i = row * 128; i < row * 128 + 128; ++i) {
      float code = amax > 0 ? std::nearbyint(found[i] / (amax / 127)) : 0;
      if (code != codes[i]) {
        ++other_codes;
        continue;
      }
      EXPECT_NEAR(found[i], wanted[i], std::abs(wanted[i]) * 0x1p-22f + kDenormal) << "at " << i;
    }
  }
  EXPECT_LE(other_codes, 4u);
}

}  // namespace
}  // namespace fakequant
