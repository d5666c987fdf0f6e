#include <fmt/format.h>
#include <gtest/gtest.h>

#include "report/finding_testing.h"

namespace fakequant::report {
namespace {

using namespace testing;

TEST(NothingChanged, NamesThePrecisionThatTensorsHave) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "test 1", 0);
  add_divergence(variant, 0, 0, 0);
  add_texts(variant, 3, 3, 0);
  Finding finding = one(report, "nothing_changed");
  EXPECT_EQ(finding.text,
            "No weight changes: the one ffn_norm tensor is BF16 in fact (stored as F32), so bf16:rtz is "
            "exact. Perplexity, "
            "every distribution and all 3 generated texts are the same as the baseline's for that reason, "
            "not because of an "
            "error.");
  EXPECT_EQ(finding.severity, Severity::answer);
  EXPECT_EQ(finding.lines, (Lines{10, 20}));
  EXPECT_TRUE(of_kind(report, "cost").empty());
  EXPECT_TRUE(of_kind(report, "texts").empty()) << "said already";
}

TEST(NothingChanged, CountsTensorsOfAllVariantsOnce) {
  RunReport report = empty_report();
  add_variant(report, "a", 0);
  ReportVariant& second = add_variant(report, "b", 0);
  second.difference->tensors.push_back(tensor_difference("blk.1.ffn_norm.weight", 100, 0));
  EXPECT_EQ(
      one(report, "nothing_changed").text,
      "No weight changes: all 2 ffn_norm tensors are BF16 in fact (stored as F32), so bf16:rtz is exact.");
}

TEST(NothingChanged, NamesItsVariantsBesideOthersAndComesAfterWhatTheyCost) {
  RunReport report = empty_report();
  for (TensorDifference& tensor : add_variant(report, "f16", 0).difference->tensors) {
    tensor.type_before = "F16";
    tensor.effective_before = "f16";
    tensor.format = "f16:rne";
  }
  add_divergence(add_variant(report, "int4", 100), 0.013, 0.002, 0.012);
  EXPECT_EQ(one(report, "nothing_changed").text,
            "No weight changes in f16: the one ffn_norm tensor is F16 already, so f16:rne is exact.");
  EXPECT_STREQ(find_all(report).at(0).kind, "cost");
}

TEST(Cost, SaysWorseBeyondTwoErrors) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), 0.013, 0.002, 0.012);
  Finding finding = one(report, "cost");
  EXPECT_EQ(finding.text,
            "a (ffn_norm in bf16:rtz, 8.00 bits per weight of the model): perplexity is 1.31 % +/- 0.20 % "
            "worse, 1 % of top "
            "tokens flip, mean KLD 0.012.");
  EXPECT_EQ(finding.lines, Lines{20});
}

TEST(Cost, CallsNoiseNoise) {
  RunReport report = empty_report();
  DivergenceResult& result = add_divergence(add_variant(report, "a", 100), -0.002, 0.002, 0.001);
  EXPECT_NE(one(report, "cost")
                .text.find("perplexity is 0.20 % +/- 0.20 % lower, which is noise, 1 % of top tokens flip"),
            std::string::npos)
      << one(report, "cost").text;
  result.ln_ppl_ratio.value = 4.7e-08;
  EXPECT_NE(one(report, "cost").text.find("perplexity is the same within its error of 0.2 %"),
            std::string::npos)
      << one(report, "cost").text;
}

TEST(Cost, TellsBitsWhereTheyAreSaved) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "a", 100);
  variant.model_bits = BitCount{15990, 1000};
  add_divergence(variant, 0.013, 0.002, 0.012);
  EXPECT_TRUE(one(report, "cost").text.starts_with("a (ffn_norm in bf16:rtz): perplexity"))
      << one(report, "cost").text;
}

TEST(Cost, DoesNotSayTwiceWhatTheNameSays) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "ffn_norm, bf16:rtz", 100);
  variant.tensors = "ffn_norm";
  variant.format = "bf16:rtz";
  add_divergence(variant, 0.013, 0.002, 0.012);
  EXPECT_TRUE(one(report, "cost")
                  .text.starts_with("ffn_norm, bf16:rtz (8.00 bits per weight of the model): perplexity"));
}

TEST(Cost, OfManyVariantsIsCountsAndBothEnds) {
  RunReport report = empty_report();
  for (int i = 0; i < 9; ++i)
    add_divergence(add_variant(report, fmt::format("v{}", i), 100), 0.01 * i, 0.02, 0.01 + 0.001 * (8 - i));
  std::vector<Finding> found = of_kind(report, "cost");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text,
            "Perplexity is worse beyond noise in 4 of 9 variants (v5, v6, v7 and v8), within noise in 5 (v0, "
            "v1, v2, v3 and "
            "v4).");
  EXPECT_EQ(found[1].text,
            "The farthest from the baseline is v0 (perplexity the same within its error of 2 %, 1 % of top "
            "tokens flip, mean "
            "KLD 0.018); the closest is v8 (perplexity 8.3 % +/- 2.2 % worse, 1 % of top tokens flip, mean "
            "KLD 0.01).");
}

TEST(Cost, OfVariantsThatAreAllNoiseIsShort) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b", "c"}) add_divergence(add_variant(report, name, 100), 0.01, 0.02, 0.01);
  EXPECT_EQ(of_kind(report, "cost").at(0).text, "Perplexity is within noise in all 3 variants.");
  for (ReportVariant& variant : report.variants) variant.tensors = "ffn_norm";
  EXPECT_EQ(of_kind(report, "cost").at(0).text,
            "With ffn_norm rounded, perplexity is within noise in all 3 variants.");
  for (ReportVariant& variant : report.variants) variant.format = "bf16:rtz";
  EXPECT_EQ(of_kind(report, "cost").at(0).text,
            "With ffn_norm in bf16:rtz, perplexity is within noise in all 3 variants.");
}

TEST(Changed, IsSaidWhereNoTextWasMeasured) {
  RunReport report = empty_report();
  add_variant(report, "a", 50);
  EXPECT_EQ(one(report, "changed").text,
            "a (ffn_norm in bf16:rtz, 8.00 bits per weight of the model): 50 of 100 values changed, mean "
            "relative difference "
            "0.3 %, largest n/a; what "
            "that costs was not measured.");
}

TEST(Best, HasTheFewestBitsWithinNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "worse", 100), 0.5, 0.02, 0.01);
  report.variants.back().model_bits = BitCount{2000, 1000};
  add_divergence(add_variant(report, "six", 100), 0.01, 0.02, 0.01);
  report.variants.back().model_bits = BitCount{6000, 1000};
  add_divergence(add_variant(report, "eight", 100), 0.01, 0.02, 0.01);
  EXPECT_EQ(one(report, "best").text,
            "The smallest whose perplexity stays within noise is six: 6.00 bits per weight of the whole "
            "model instead of "
            "16.00, and 1 % of top tokens flip.");
}

TEST(Best, IsNotSaidWhereNothingIsSaved) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b"}) {
    add_divergence(add_variant(report, name, 100), 0.01, 0.02, 0.01);
    report.variants.back().model_bits = BitCount{15990, 1000};
  }
  EXPECT_TRUE(of_kind(report, "best").empty());
}

TEST(Best, SaysWhereNothingIsWithinNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), 0.5, 0.02, 0.02);
  add_divergence(add_variant(report, "b", 100), 0.4, 0.02, 0.01);
  EXPECT_EQ(
      one(report, "best").text,
      "No variant stays within noise; the least divergence is that of b (ffn_norm in bf16:rtz, 8.00 bits "
      "per weight of the model), mean KLD 0.01.");
}

TEST(Best, IsSaidOfEachModel) {
  RunReport report = empty_report();
  ReportModel second = report.models[0];
  second.name = "large";
  report.models.push_back(second);
  for (size_t model : {0u, 1u}) {
    for (uint64_t bits : {4000u, 6000u}) {
      ReportVariant& variant = add_variant(report, fmt::format("by {}", bits), 100);
      variant.model = model;
      variant.model_bits = BitCount{bits, 1000};
      // Of the second model nothing is within noise.
      add_divergence(variant, model == 0 ? 0.01 : 0.5, 0.02, 0.01 + 0.01 * static_cast<double>(model));
    }
  }
  std::vector<Finding> found = of_kind(report, "best");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(
      found[0].text.starts_with("The smallest whose perplexity stays within noise is by 4000 (tiny): "))
      << found[0].text;
  EXPECT_TRUE(found[1].text.starts_with("No variant of large stays within noise; the least divergence "))
      << found[1].text;
}

TEST(Frontier, NamesThoseThatNoneBeats) {
  RunReport report = empty_report();
  struct Row {
    const char* name;
    uint64_t bits;
    double kld;
  };
  for (const Row& row :
       {Row{"big", 8000, 0.001}, Row{"beaten", 6000, 0.2}, Row{"good", 5000, 0.1}, Row{"small", 4000, 0.3}}) {
    add_divergence(add_variant(report, row.name, 100), 0.01, 0.02, row.kld);
    report.variants.back().model_bits = BitCount{row.bits, 1000};
  }
  EXPECT_EQ(one(report, "frontier").text,
            "Worth their bits, as no variant is both smaller and closer to the baseline: small (4.00), good "
            "(5.00), big (8.00), "
            "from the smallest up, with bits per weight of the model. The other one is beaten.");
  report.variants.pop_back();
  EXPECT_TRUE(of_kind(report, "frontier").empty()) << "three are seen at a glance";
}

TEST(Texts, AreCountedWithNearTies) {
  RunReport report = empty_report();
  add_texts(add_variant(report, "a", 1), 5, 3, 1);
  Finding finding = one(report, "texts");
  EXPECT_EQ(finding.text,
            "Of 5 generated texts, 3 are the baseline's, token for token. 1 of the 2 differences begins at a "
            "near-tie, where "
            "the baseline finds two tokens nearly as likely: it says little.");
  EXPECT_EQ(finding.lines, Lines{30});
  add_texts(add_variant(report, "b", 1), 5, 4, 1);
  EXPECT_TRUE(one(report, "texts")
                  .text.starts_with("Of 5 generated texts of each variant, 3 to 4 are the baseline's"));
  report.variants.pop_back();
  report.variants[0].generation->identical = 5;
  EXPECT_EQ(one(report, "texts").text, "Every generated text is the baseline's, token for token.");
}

}  // namespace
}  // namespace fakequant::report
