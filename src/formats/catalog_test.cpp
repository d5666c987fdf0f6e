#include "formats/catalog.h"
#include "formats/format_grammar.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace fakequant {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_format(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Catalog, EveryNameIsUniqueAndParsesToItsOwnEntry) {
  std::set<std::string> names;
  for (const CatalogEntry& entry : catalog()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(parse_format(entry.name), entry.format);
    EXPECT_EQ(entry_of(parse_format(entry.name)).name, entry.name);
    EXPECT_FALSE(entry.summary.empty() || entry.note.empty()) << entry.name;
  }
}

TEST(Catalog, HoldsEveryQuantizedTypeThatGgmlCanWrite) {
  std::set<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.insert(entry.name);
  for (const TypeFacts& facts : all_tensor_types()) {
    bool internal = facts.type == TensorType::Q8_1 || facts.type == TensorType::Q8_K;
    if (facts.type_class != TypeClass::quantized) continue;
    EXPECT_EQ(names.count(lower_name(facts.type)), internal ? 0u : 1u) << facts.name;
  }
}

TEST(ParseFormat, CanonicalNamesParseToThemselves) {
  for (const char* text :
       {"bf16", "bf16:rtz", "f16:rna:sat", "tf32:rtz", "f32", "int4", "int4:group=32", "INT8:Tensor:FULL",
        "int5:asym:scale_type=bf16:group=128", "int16:row:rtz", "q4_k", "Q4_K", "mxfp4_ggml"}) {
    Format format = parse_format(text);
    EXPECT_EQ(parse_format(format.name), format) << text;
    EXPECT_EQ(parse_format(format.name).name, format.name) << text;
  }
  EXPECT_EQ(parse_format("bf16").name, "bf16:rne");
  EXPECT_EQ(parse_format("int4:group=32").name, "int4:group=32:restricted:rne");
  EXPECT_EQ(parse_format("f16:sat").name, "f16:rne:sat");
}

TEST(ParseFormat, ErrorsNameThePartAndWhatMayStandThere) {
  EXPECT_NE(error_of("bf61").find("did you mean bf16"), std::string::npos);
  EXPECT_NE(error_of("bf16:rtx").find("rtz"), std::string::npos);
  EXPECT_NE(error_of("q4_k:rtz").find("takes no parameters"), std::string::npos);
  EXPECT_NE(error_of("f32:rtz").find("takes no parameters"), std::string::npos);
  EXPECT_NE(error_of("int4:row:tensor").find("given twice"), std::string::npos);
  EXPECT_NE(error_of("int4:sat").find("no parameter"), std::string::npos);
  for (const char* text : {"", ":", "bf16:", "int4:group", "int4:group=", "int4:group=0", "int4:group=-1",
                           "int4:group=9999999999999", "int4:group=1x", "int1", "int17", "int04", "bf16 rtz",
                           "q8_1", "q8_k", "i8"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

double bits_of(const char* text, int64_t row_length, int64_t row_count) {
  return stored_bits(parse_format(text), row_length, row_length * row_count).value();
}

TEST(StoredBits, CountsCodesScalesAndZeroPoints) {
  EXPECT_EQ(bits_of("bf16", 10, 3), 16.0);
  EXPECT_EQ(bits_of("tf32", 10, 3), 19.0);
  EXPECT_EQ(bits_of("f32", 10, 3), 32.0);
  EXPECT_EQ(bits_of("int4:group=32", 64, 2), 5.0);                 // 4 + 32/32
  EXPECT_EQ(bits_of("int4:group=32:scale_type=f16", 64, 2), 4.5);  // 4 + 16/32
  EXPECT_EQ(bits_of("int4:group=32:asym", 64, 2), 4 + 36 / 32.0);  // F32 scale and 4-bit zero point
  EXPECT_EQ(bits_of("int8", 64, 2), 8.5);                          // 8 + 32/64
  EXPECT_EQ(bits_of("int8:tensor", 64, 2), 8 + 32 / 128.0);
  EXPECT_EQ(bits_of("q4_k", 256, 2), 4.5);
  EXPECT_EQ(bits_of("q6_k", 256, 2), 6.5625);
}

TEST(Misfit, NamesTheNearestFormatThatFits) {
  EXPECT_EQ(misfit(parse_format("int4:group=32"), 64), "");
  EXPECT_EQ(misfit(parse_format("bf16"), 172), "");
  EXPECT_NE(misfit(parse_format("int4:group=32"), 172).find("int4:group=43:"), std::string::npos);
  EXPECT_NE(misfit(parse_format("int4:group=128"), 288).find("int4:group=144:"), std::string::npos);
  EXPECT_NE(misfit(parse_format("q8_0"), 1).find("fits is int8:row"), std::string::npos);
  EXPECT_NE(misfit(parse_format("int4:group=32"), 173).find("int4:row:"), std::string::npos);
  EXPECT_NE(misfit(parse_format("q4_k"), 64).find("nearest format that fits is q4_0"), std::string::npos);
  EXPECT_NE(misfit(parse_format("q6_k"), 96).find("nearest format that fits is q5_1"), std::string::npos);
  EXPECT_NE(misfit(parse_format("q4_k"), 172).find("nearest format that fits is int4:group=43"),
            std::string::npos);
}

}  // namespace
}  // namespace fakequant
