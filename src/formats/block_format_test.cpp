#include "formats/block_format.h"

#include <gtest/gtest.h>

#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant {
namespace {

BitsPerWeight bits_of(const char* format, int64_t row_length, int64_t row_count) {
  return stored_bits(parse_format(format), row_length, row_length * row_count);
}

double per_weight(const char* format, int64_t row_length, int64_t row_count) {
  return bits_of(format, row_length, row_count).value();
}

TEST(StoredBits, CountsCodesScalesAndZeroPoints) {
  EXPECT_EQ(per_weight("bf16", 10, 3), 16.0);
  EXPECT_EQ(per_weight("tf32", 10, 3), 19.0);
  EXPECT_EQ(per_weight("f32", 10, 3), 32.0);
  EXPECT_EQ(per_weight("e3m4:ieee", 10, 3), 8.0);
  EXPECT_EQ(per_weight("e2m1", 10, 3), 4.0);
  EXPECT_EQ(per_weight("int4:group=32", 64, 2), 5.0);                 // 4 + 32/32
  EXPECT_EQ(per_weight("int4:group=32:scale_type=f16", 64, 2), 4.5);  // 4 + 16/32
  EXPECT_EQ(per_weight("int4:group=32:scale_type=bf16", 64, 2), 4.5);
  EXPECT_EQ(per_weight("int4:group=32:asym", 64, 2), 4 + 36 / 32.0);  // F32 scale and 4-bit zero point
  EXPECT_EQ(per_weight("int4:group=32:asym:scale_type=f16", 64, 2), 4 + 20 / 32.0);
  EXPECT_EQ(per_weight("int8", 64, 2), 8.5);  // 8 + 32/64
  EXPECT_EQ(per_weight("int8:tensor", 64, 2), 8 + 32 / 128.0);
  EXPECT_EQ(per_weight("e4m3:row", 64, 2), 8.5);
  EXPECT_EQ(per_weight("e4m3:tensor:scale_type=bf16", 64, 2), 8 + 16 / 128.0);
  EXPECT_EQ(per_weight("mxfp8_e4m3", 64, 2), 8.25);  // 8 + 8/32
  EXPECT_EQ(per_weight("mxfp6_e2m3", 64, 2), 6.25);
  EXPECT_EQ(per_weight("mxfp4:scale=rceil", 64, 2), 4.25);
  EXPECT_EQ(per_weight("mxint8", 64, 2), 8.25);
  EXPECT_EQ(per_weight("nvfp4", 64, 2), 4.5 + 32 / 128.0);  // 4 + 8/16, and 32 for the tensor
  EXPECT_EQ(per_weight("nf4", 64, 2), 4.5);                 // 4 + 32/64
  EXPECT_EQ(per_weight("nf4:row", 128, 2), 4.25);
  EXPECT_EQ(per_weight("q4_k", 256, 2), 4.5);
  EXPECT_EQ(per_weight("q6_k", 256, 2), 6.5625);
}

TEST(StoredBits, AreAnExactRatio) {
  BitsPerWeight bits = bits_of("nvfp4", 4096, 4096);
  EXPECT_EQ(bits.weights, uint64_t{4096} * 4096);
  EXPECT_EQ(bits.bits, uint64_t{4096} * 4096 * 4 + uint64_t{4096} * 4096 / 16 * 8 + 32);
  EXPECT_EQ(bits_of("int3:group=48:asym", 96, 7).bits, 7u * (96 * 3 + 2 * (32 + 3)));
  // A tensor of more than 2^32 values.
  EXPECT_EQ(bits_of("bf16", int64_t{1} << 20, int64_t{1} << 14).bits, uint64_t{1} << 38);
  EXPECT_EQ((BitsPerWeight{0, 0}).value(), 0.0);
}

TEST(StoredBits, RowsThatAreNoWholeBlocksOfGgmlCountTheirShare) {
  EXPECT_EQ(bits_of("q4_0", 172, 3).bits, 3u * 172 * 9 / 2);  // 4.5 bits a weight
  EXPECT_EQ(bits_of("q4_0", 172, 3).weights, 3u * 172);
  EXPECT_EQ(bits_of("q4_k", 64, 2).bits, 128u * 9 / 2);
  EXPECT_EQ(bits_of("q4_k", 256, 2).bits, 2u * 144 * 8);
  EXPECT_EQ(bits_of("q4_k", 257, 1).bits, (257u * 9 + 1) / 2);  // up to a whole bit
}

TEST(StoredBits, RowsThatEndInAPartOfAGroupStoreItsScale) {
  EXPECT_EQ(bits_of("int4:group=32", 172, 3).bits, 3u * (172 * 4 + 6 * 32));
  EXPECT_EQ(bits_of("mxfp4", 172, 3).bits, 3u * (172 * 4 + 6 * 8));
  EXPECT_EQ(bits_of("nvfp4", 172, 3).bits, 3u * (172 * 4 + 11 * 8) + 32);
}

TEST(StoredBits, ATensorWithoutValuesStoresNothing) {
  for (const CatalogEntry& entry : catalog()) {
    EXPECT_EQ(stored_bits(entry.format, 0, 0).bits, 0u) << entry.name;
    EXPECT_EQ(stored_bits(entry.format, 32, 0).bits, 0u) << entry.name;
  }
}

// What misfit names as the nearest format.
std::string nearest_of(const std::string& format, int64_t row_length) {
  std::string text = misfit(parse_format(format), row_length);
  std::string before = "nearest format that fits is ";
  size_t place = text.find(before);
  return place == std::string::npos ? text : text.substr(place + before.size());
}

TEST(Misfit, IsEmptyWhereTheFormatFits) {
  EXPECT_EQ(misfit(parse_format("int4:group=32"), 64), "");
  EXPECT_EQ(misfit(parse_format("mxfp4"), 64), "");
  EXPECT_EQ(misfit(parse_format("nvfp4"), 48), "");
  EXPECT_EQ(misfit(parse_format("nf4"), 128), "");
  for (const char* any : {"bf16", "int4:row", "int4:tensor", "e4m3:row", "nf4:tensor", "f32"})
    EXPECT_EQ(misfit(parse_format(any), 173), "") << any;
}

TEST(Misfit, NamesTheRowTheBlockAndTheNearestGroup) {
  std::string text = misfit(parse_format("mxfp4"), 172);
  EXPECT_NE(text.find("172"), std::string::npos) << text;
  EXPECT_NE(text.find("32"), std::string::npos) << text;
  EXPECT_EQ(nearest_of("int4:group=32", 172), "int4:group=43:restricted:rne");
  EXPECT_EQ(nearest_of("int4:group=128:asym", 288), "int4:group=144:asym:rne");
  EXPECT_EQ(nearest_of("int4:group=32", 173), "int4:row:restricted:rne");
  EXPECT_EQ(nearest_of("nf4:scale_type=f16", 172), "nf4:group=86:rne:scale_type=f16");
  EXPECT_EQ(nearest_of("q8_0", 1), "int8:row");
  EXPECT_EQ(nearest_of("q4_k", 64), "q4_0");
  EXPECT_EQ(nearest_of("q6_k", 96), "q5_1");
  EXPECT_EQ(nearest_of("q4_k", 172), "int4:group=43");
}

TEST(Misfit, FixedBlocksBecomeTheSameCodesWithAnF32Scale) {
  EXPECT_EQ(nearest_of("mxfp4", 172), "e2m1:group=43:rne");
  EXPECT_EQ(nearest_of("mxfp4:scale=rceil:rtz", 172), "e2m1:group=43:rtz");
  EXPECT_EQ(nearest_of("mxfp8_e4m3", 80), "e4m3:group=40:rne");
  EXPECT_EQ(nearest_of("mxfp8_e5m2", 16), "e5m2:group=16:rne");
  EXPECT_EQ(nearest_of("mxfp6_e3m2", 173), "e3m2:row:rne");
  EXPECT_EQ(nearest_of("mxint8", 172), "int8:group=43:full:rne");
  EXPECT_EQ(nearest_of("nvfp4", 24), "e2m1:group=12:rne");
  EXPECT_EQ(nearest_of("nf4", 172), "nf4:group=86:rne");
}

// For the whole catalog: what is named can be typed in, and fits.
TEST(Misfit, WhatItNamesIsAFormatThatFits) {
  for (const CatalogEntry& entry : catalog()) {
    for (int64_t row_length : {1, 2, 7, 24, 64, 80, 96, 172, 173, 288, 2560}) {
      if (misfit(entry.format, row_length).empty()) continue;
      std::string name = nearest_of(entry.name, row_length);
      EXPECT_EQ(misfit(parse_format(name), row_length), "")
          << entry.name << " on " << row_length << ": " << name;
    }
  }
}

TEST(FormatValue, KnowsWhetherItLeavesValuesAndNeedsTheWholeTensor) {
  EXPECT_TRUE(parse_format("f32").leaves_values());
  EXPECT_FALSE(parse_format("tf32").leaves_values());
  EXPECT_FALSE(parse_format("q8_0").leaves_values());
  EXPECT_TRUE(parse_format("q8_0").is_ggml());
  auto needs_tensor = [](const char* name) {
    return std::get<BlockFormat>(parse_format(name).kind).needs_tensor_range();
  };
  for (const char* name : {"int4:tensor", "e4m3:tensor", "nf4:tensor", "nvfp4"})
    EXPECT_TRUE(needs_tensor(name)) << name;
  for (const char* name : {"bf16", "int4", "nf4", "mxfp4", "e4m3:group=16"})
    EXPECT_FALSE(needs_tensor(name)) << name;
}

TEST(FormatValue, IsEqualWhatItsNameMayBe) {
  Format format = parse_format("mxfp4");
  format.name = "another";
  EXPECT_EQ(format, parse_format("mxfp4"));
}

}  // namespace
}  // namespace fakequant
