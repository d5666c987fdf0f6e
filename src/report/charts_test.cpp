#include "report/charts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "report/chart_parts.h"
#include "report/testing.h"

namespace fakequant::report {
namespace {

using testing::add_divergence;
using testing::add_variant;
using testing::empty_report;

std::optional<Chart> chart(const RunReport& report, std::string_view id) {
  for (Chart& found : charts(report)) {
    if (found.id == id) return std::move(found);
  }
  return std::nullopt;
}

ReportVariant& add_sized(RunReport& report, const std::string& name, double bits_per_weight, double kld) {
  ReportVariant& variant = add_variant(report, name, 1);
  variant.model_bits = BitCount{static_cast<uint64_t>(1000 * bits_per_weight), 1000};
  add_divergence(variant, 0.01, 0.002, kld);
  return variant;
}

TEST(Charts, AreNotThereWithoutData) {
  EXPECT_TRUE(charts(empty_report()).empty());
}

TEST(Charts, HoldTheirDataAndNoAddressButTheSchemas) {
  RunReport report = empty_report();
  add_sized(report, "a", 16, 0.001);
  add_sized(report, "b", 8, 0.01);
  add_sized(report, "c", 4, 0.1);
  std::vector<Chart> all = charts(report);
  EXPECT_GE(all.size(), 4u);
  for (const Chart& made : all) {
    EXPECT_FALSE(made.spec["data"]["values"].empty()) << made.id;
    EXPECT_FALSE(made.spec["data"].contains("url")) << made.id;
    EXPECT_EQ(made.spec["$schema"], "https://vega.github.io/schema/vega-lite/v6.json");
    EXPECT_EQ(made.spec["description"], made.alt);
    EXPECT_GT(made.alt.size(), 20u) << made.id;
    for (const ChartColumn& column : made.columns) {
      EXPECT_TRUE(made.spec["data"]["values"][0].contains(column.field)) << made.id << " " << column.field;
    }
  }
}

TEST(Charts, ShowTheControlAsNoiseOnlyWhereItIs) {
  RunReport report = empty_report();
  add_sized(report, "a", 16, 0.001);
  ReportVariant& control = add_sized(report, "control", 16, 0.001);
  control.is_control = true;
  Estimate& ratio = control.divergences[0].ln_ppl_ratio;
  ratio.value = 2 * *ratio.error();
  EXPECT_NE(chart(report, "perplexity")->spec.dump().find("inkband_control"), std::string::npos);
  ratio.value = 3 * *ratio.error();
  EXPECT_EQ(chart(report, "perplexity")->spec.dump().find("inkband_control"), std::string::npos);
}

TEST(Charts, AreTheSameForTheSameReport) {
  RunReport report = empty_report();
  add_sized(report, "a", 16, 0.001);
  EXPECT_EQ(chart(report, "divergence")->spec.dump(), chart(report, "divergence")->spec.dump());
}

TEST(Charts, MakeNamesPrintable) {
  RunReport report = empty_report();
  add_sized(report, "a\x1b", 16, 0.001);
  std::optional<Chart> made = chart(report, "divergence");
  EXPECT_EQ(made->spec["data"]["values"][0]["variant"], "a\\x1b");
  EXPECT_EQ(made->spec["encoding"]["y"]["sort"][0], "a\\x1b");
  EXPECT_EQ(made->alt.find('\x1b'), std::string::npos);
}

TEST(PerplexityChart, ReachesTwoStandardErrors) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 1), 0, 0.01, 0.001);
  Json row = chart(report, "perplexity")->spec["data"]["values"][0];
  EXPECT_EQ(row["value"], 0);
  // exp(0.02) - 1 and exp(-0.02) - 1 in percent, six digits.
  EXPECT_EQ(row["high"], 2.02013);
  EXPECT_EQ(row["low"], -1.98013);
  EXPECT_EQ(row["line"], 20);
}

TEST(DivergenceChart, IsNotThereWhereNothingDiffers) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 0), 0, 0, 0);
  EXPECT_FALSE(chart(report, "divergence"));
  EXPECT_TRUE(chart(report, "perplexity"));
}

TEST(FrontierChart, JoinsWhatNoOtherBeats) {
  RunReport report = empty_report();
  add_sized(report, "big", 16, 0.001);
  add_sized(report, "beaten", 9, 0.2);
  add_sized(report, "good", 8, 0.01);
  add_sized(report, "small", 4, 0.1);
  std::vector<std::string> frontier;
  std::optional<Chart> made = chart(report, "frontier");
  for (const Json& row : made->spec["data"]["values"]) {
    if (row["frontier"]) frontier.push_back(row["variant"]);
  }
  EXPECT_EQ(frontier, (std::vector<std::string>{"small", "good", "big"}));
}

TEST(FrontierChart, NeedsSizesThatDiffer) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b", "c"}) add_sized(report, name, 16, 0.001);
  EXPECT_FALSE(chart(report, "frontier"));
}

TEST(ErrorMap, WeighsTensorsByTheirValues) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "a", 10);
  variant.difference->tensors.push_back(testing::tensor_difference("blk.0.ffn_norm.bias", 300, 300));
  variant.difference->tensors[0].measures.mean_rel = 0.01;  // of 100
  variant.difference->tensors[1].measures.mean_rel = 0.05;  // of 300
  Json row = chart(report, "error-map")->spec["data"]["values"][0];
  EXPECT_EQ(row["percent"], 4);
  EXPECT_EQ(row["changed"], 310);
}

TEST(VariantsWithDivergence, KeepControlsWhenTheyAreCut) {
  RunReport report = empty_report();
  for (size_t i = 0; i < kMostRows + 5; ++i)
    add_divergence(add_variant(report, fmt::format("v{}", i), 1), 0, 0.1, 0.1);
  add_divergence(add_variant(report, "control", 1), 0, 0.1, 0.1).line = 5;
  report.variants.back().is_control = true;
  ShownVariants shown = variants_with_divergence(report);
  EXPECT_EQ(shown.indices.size(), kMostRows);
  EXPECT_EQ(shown.indices.back(), kMostRows + 5);
  EXPECT_FALSE(shown.note.empty());
}

TEST(LogAxis, HasPowersOfTenOverALongWay) {
  LogAxis axis;
  for (double value : {0.0, -1.0, 0.00003, 0.2}) axis.add(value);
  EXPECT_EQ(axis.domain(), Json({0.00003, 0.2}));
  EXPECT_EQ(axis.ticks(), Json({0.0001, 0.001, 0.01, 0.1}));
}

TEST(LogAxis, EndsAtRoundNumbersOverAShortOne) {
  LogAxis axis;
  axis.add(0.3);
  axis.add(0.4);
  EXPECT_EQ(axis.domain(), Json({0.2, 0.5}));
  EXPECT_EQ(axis.ticks(), Json({0.2, 0.5}));
  LogAxis point;
  point.add(1);
  EXPECT_EQ(point.domain(), Json({1.0, 2.0}));
}

TEST(ShortNumbers, HaveThreeDigits) {
  EXPECT_EQ(short_number(0.0043171), "0.00432");
  EXPECT_EQ(signed_number(12.345), "+12.3");
  EXPECT_EQ(shown_number(0.123456789), 0.123457);
}

}  // namespace
}  // namespace fakequant::report
