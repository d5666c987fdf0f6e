#include "formats/catalog.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

TEST(Catalog, EveryNameIsUniqueAndParsesToItsOwnEntry) {
  std::set<std::string> names;
  for (const CatalogEntry& entry : catalog()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_EQ(entry.name, lower(entry.name));
    EXPECT_EQ(parse_format(entry.name), entry.format);
    EXPECT_EQ(parse_format(entry.name).name, entry.format.name);
    EXPECT_EQ(entry_of(parse_format(entry.name)).name, entry.name);
    EXPECT_FALSE(entry.summary.empty() || entry.note.empty()) << entry.name;
    EXPECT_FALSE(entry.used_by.empty() || entry.sources.empty()) << entry.name;
    EXPECT_EQ(entry.format.is_ggml(), entry.family == FormatFamily::ggml) << entry.name;
  }
}

TEST(Catalog, HoldsTheFormatsOfEveryFamily) {
  std::set<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.insert(entry.name);
  for (const char* name :
       {"bf16",       "f16",   "tf32",   "e4m3",  "e5m2",  "e4m3fnuz",   "e5m2fnuz",   "e3m2",
        "e2m3",       "e2m1",  "f32",    "int2",  "int16", "mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2",
        "mxfp6_e2m3", "mxfp4", "mxint8", "nvfp4", "nf4",   "mxfp4_ggml", "nvfp4_ggml"})
    EXPECT_EQ(names.count(name), 1u) << name;
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

TEST(Catalog, ParametersDoNotChangeTheEntryOfAFormat) {
  for (const std::string& name : every_own_format()) {
    std::string base = name.substr(0, name.find(':'));
    EXPECT_EQ(entry_of(parse_format(name)).name, base);
    EXPECT_EQ(catalog_name(own_format(name)), base);
  }
}

TEST(Catalog, UnnamedFloatsAreOfTheGenericEntryWhichIsNotListed) {
  for (const CatalogEntry& entry : catalog()) EXPECT_NE(entry.name, generic_float_entry().name);
  for (const char* name : {"e3m4:ieee", "e4m3:finite:row", "e2m0:fn", "e8m22:fnuz:sr"}) {
    EXPECT_EQ(catalog_name(own_format(name)), "") << name;
    const Format format = parse_format(name);
    EXPECT_EQ(entry_of(format).name, generic_float_entry().name) << name;
  }
  EXPECT_EQ(generic_float_entry().format, parse_format("e3m4:ieee"));
}

TEST(Catalog, OverflowMakesInfInTheWideFormatsAndGenericIeeeAndSaturatesElsewhere) {
  for (const FloatGrid& grid :
       {kBf16, kF16, kTf32, float_grid(4, 3, FloatKind::ieee), float_grid(2, 0, FloatKind::ieee)})
    EXPECT_EQ(default_overflow(grid), Overflow::infinite);
  for (const FloatGrid& grid :
       {kE4M3, kE5M2, kE4M3Fnuz, kE5M2Fnuz, kE3M2, kE2M3, kE2M1, float_grid(6, 9, FloatKind::fn),
        float_grid(8, 3, FloatKind::fnuz), float_grid(4, 3, FloatKind::finite)})
    EXPECT_EQ(default_overflow(grid), Overflow::saturate);
  // And so in the formats as parsed.
  EXPECT_EQ(own_format("e5m2").overflow, Overflow::saturate);
  EXPECT_EQ(own_format("e5m2:ieee").overflow, Overflow::infinite);
  EXPECT_EQ(own_format("f16").overflow, Overflow::infinite);
  EXPECT_EQ(own_format("f16:row").overflow, Overflow::saturate);
}

TEST(Catalog, BlockFormatsHaveTheBlocksOfTheirSpecifications) {
  for (const CatalogEntry& entry : catalog()) {
    if (entry.family != FormatFamily::block) continue;
    const auto& format = std::get<BlockFormat>(entry.format.kind);
    EXPECT_EQ(format.extent, ScaleExtent::group) << entry.name;
    int64_t block = entry.name == "nvfp4" ? 16 : entry.name == "nf4" ? 64 : 32;
    EXPECT_EQ(format.group_values, block) << entry.name;
    EXPECT_EQ(format.scale_type == ScaleType::e8m0, entry.name.starts_with("mx")) << entry.name;
  }
}

TEST(Catalog, FamiliesAndGgmlTypesHaveNames) {
  EXPECT_EQ(name_of(FormatFamily::scalar), "scalar");
  EXPECT_EQ(name_of(FormatFamily::integer), "integer");
  EXPECT_EQ(name_of(FormatFamily::block), "block");
  EXPECT_EQ(name_of(FormatFamily::ggml), "ggml");
  EXPECT_EQ(lower_name(TensorType::Q4_K), "q4_k");
  EXPECT_EQ(lower_name(TensorType::MXFP4), "mxfp4_ggml");
  EXPECT_EQ(lower_name(TensorType::NVFP4), "nvfp4_ggml");
}

}  // namespace
}  // namespace fakequant
