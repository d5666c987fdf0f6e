#include "formats/block_format.h"

#include <gtest/gtest.h>

#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant {
namespace {

BitsPerWeight bits_of(const char* format, int64_t row_length, int64_t row_count) {
  return stored_bits(parse_format(format), row_length, row_length * row_count);
}

TEST(StoredBits, RowsThatEndInAPartOfABlockStoreAllOfIt) {
  // 172 = 5 x 32 + 12: six blocks of 18 bytes a row; one block of 144 bytes where 256 values make one.
  EXPECT_EQ(bits_of("q4_0", 172, 3).bits, 3u * 6 * 18 * 8);
  EXPECT_EQ(bits_of("q4_0", 172, 3).weights, 3u * 172);
  EXPECT_EQ(bits_of("q4_k", 64, 2).bits, 2u * 144 * 8);
  EXPECT_EQ(bits_of("q4_k", 256, 2).bits, 2u * 144 * 8);
  EXPECT_EQ(bits_of("q4_k", 257, 2).bits, 4u * 144 * 8);
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

}  // namespace
}  // namespace fakequant
