#include "gguf/metadata.h"

#include <gtest/gtest.h>

#include <limits>

#include "gguf/testing.h"

namespace fakequant {
namespace {

using namespace gguf_testing;

// Calls `check` with the one pair of a file that holds `value`.
template <typename Check>
void with_entry(uint32_t type, const std::string& value, Check check) {
  // An odd key length: the value is not aligned.
  std::string bytes = GgufBuilder().add_raw("k", type, value).build();
  GgufFile file = parse_bytes(bytes);
  check(file.metadata()[0]);
}

std::string shown(uint32_t type, const std::string& value, size_t most = 4) {
  std::string result;
  with_entry(type, value, [&](const MetadataEntry& entry) { result = display_value(entry, most); });
  return result;
}

TEST(MetadataType, IsNamedAsGgmlNamesIt) {
  const char* names[] = {"u8",   "i8",  "u16", "i16", "u32", "i32", "f32",
                         "bool", "str", "arr", "u64", "i64", "f64"};
  for (uint32_t i = 0; i < std::size(names); ++i) EXPECT_EQ(name_of(static_cast<MetadataType>(i)), names[i]);
}

TEST(AsUnsigned, TakesEveryIntegerTypeThatIsNotNegative) {
  auto number = [](uint32_t type, const std::string& value) {
    std::optional<uint64_t> result;
    with_entry(type, value, [&](const MetadataEntry& entry) { result = as_unsigned(entry); });
    return result;
  };
  EXPECT_EQ(number(0, bytes_of(uint8_t{255})), 255u);
  EXPECT_EQ(number(1, bytes_of(int8_t{127})), 127u);
  EXPECT_EQ(number(2, bytes_of(uint16_t{65535})), 65535u);
  EXPECT_EQ(number(3, bytes_of(int16_t{5})), 5u);
  EXPECT_EQ(number(4, bytes_of(UINT32_MAX)), UINT32_MAX);
  EXPECT_EQ(number(5, bytes_of(int32_t{6})), 6u);
  EXPECT_EQ(number(10, bytes_of(UINT64_MAX)), UINT64_MAX);
  EXPECT_EQ(number(11, bytes_of(INT64_MAX)), uint64_t{INT64_MAX});
  EXPECT_EQ(number(1, bytes_of(int8_t{-1})), std::nullopt);
  EXPECT_EQ(number(3, bytes_of(int16_t{-1})), std::nullopt);
  EXPECT_EQ(number(5, bytes_of(int32_t{-1})), std::nullopt);
  EXPECT_EQ(number(11, bytes_of(int64_t{-1})), std::nullopt);
  EXPECT_EQ(number(6, bytes_of(1.0f)), std::nullopt);
  EXPECT_EQ(number(7, bytes_of(uint8_t{1})), std::nullopt);
  EXPECT_EQ(number(8, string_bytes("1")), std::nullopt);
  EXPECT_EQ(number(9, bytes_of(4u) + bytes_of(uint64_t{1}) + bytes_of(7u)), std::nullopt);
}

TEST(AsString, TakesScalarStringsOnly) {
  with_entry(8, string_bytes("text"),
             [](const MetadataEntry& entry) { EXPECT_EQ(as_string(entry), "text"); });
  with_entry(8, string_bytes(""), [](const MetadataEntry& entry) { EXPECT_EQ(as_string(entry), ""); });
  with_entry(4, bytes_of(1u), [](const MetadataEntry& entry) { EXPECT_EQ(as_string(entry), std::nullopt); });
  with_entry(9, bytes_of(8u) + bytes_of(uint64_t{1}) + string_bytes("x"),
             [](const MetadataEntry& entry) { EXPECT_EQ(as_string(entry), std::nullopt); });
}

TEST(DisplayValue, MakesStringsPrintableAndCutsThemAt256Bytes) {
  auto text = [](const std::string& value) { return shown(8, string_bytes(value)); };
  std::string most(256, 'x'), less(255, 'x');
  EXPECT_EQ(text("a\nb"), "\"a\\x0ab\"");
  EXPECT_EQ(text(most), fmt::format("\"{}\"", most));
  EXPECT_EQ(text(most + "x"), fmt::format("\"{}...\" (257 bytes)", most));
  // Not in the middle of a character.
  EXPECT_EQ(text(less + "\u00e9y"), fmt::format("\"{}...\" (258 bytes)", less));
  // Not UTF-8: each byte shows as four characters, and three at most are given up to find the start of one.
  EXPECT_EQ(text(std::string(300, '\x80')).size(), 2 + 3 + 253 * 4 + std::string(" (300 bytes)").size());
}

TEST(DisplayValue, CutsArraysAndCountsThem) {
  std::string three = bytes_of(2u) + bytes_of(uint64_t{3}) + array_bytes<uint16_t>({7, 8, 9});
  EXPECT_EQ(shown(9, three), "[7, 8, 9]");
  EXPECT_EQ(shown(9, three, 3), "[7, 8, 9]");
  EXPECT_EQ(shown(9, three, 2), "[7, 8, ...] (3 values)");
  EXPECT_EQ(shown(9, three, 0), "[...] (3 values)");
}

TEST(DisplayValue, TakesAnyByteButZeroForTrue) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(shown(7, bytes_of(static_cast<uint8_t>(byte))), byte == 0 ? "false" : "true");
  }
}

TEST(DisplayValue, ShowsFloatsShortestAndSpecialOnes) {
  EXPECT_EQ(shown(6, bytes_of(1e-5f)), "1e-05");
  EXPECT_EQ(shown(6, bytes_of(0.1f)), "0.1");
  EXPECT_EQ(shown(12, bytes_of(-std::numeric_limits<double>::infinity())), "-inf");
}

}  // namespace
}  // namespace fakequant
