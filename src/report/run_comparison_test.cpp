#include "report/run_comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "report/run_pairs.h"
#include "report/testing.h"

namespace fakequant::report {
namespace {

using namespace testing;

RunReport report_with(double ln_ratio, double error, const std::string& name = "a") {
  RunReport report = empty_report();
  add_divergence(add_variant(report, name, 50), ln_ratio, error, 0.01);
  return report;
}

std::string text_of(const RunComparison& comparison, std::string_view kind) {
  for (const Finding& finding : comparison.findings) {
    if (finding.kind == kind) return finding.text;
  }
  return "";
}

TEST(CompareRuns, OfARunWithItselfFindsNothing) {
  RunReport report = report_with(0.1, 0.01);
  RunComparison comparison = compare_runs(report, report);
  EXPECT_EQ(text_of(comparison, "identical"),
            "The one result that the runs have in common is identical to the last digit.");
  EXPECT_EQ(text_of(comparison, "same_settings"), "Settings, versions, models and texts are the same.");
  EXPECT_EQ(comparison.findings.size(), 2u);
}

TEST(CompareRuns, MeasuresTheDistanceInErrorsOfTheDifference) {
  // |0.10 - 0.15| / sqrt(0.03^2 + 0.04^2) = 1
  RunComparison near = compare_runs(report_with(0.10, 0.03), report_with(0.15, 0.04));
  EXPECT_EQ(
      text_of(near, "results_differ"),
      "1 of 1 result in common differs, none beyond noise: the farthest apart is a, by 1.0 standard errors "
      "of the difference. For these the errors are those of unpaired runs, too wide where the text is the "
      "same: pairing needs eight chunks, the same in both runs, and per_chunk = true in their [measure].");
  RunComparison far = compare_runs(report_with(0.10, 0.03), report_with(0.25, 0.04));
  EXPECT_NE(text_of(far, "results_differ").find("differs, 1 beyond noise: the farthest"), std::string::npos);
}

// Eight chunks whose ln ratio differs by 0.01 +/- 0.001 from those of `shift` 0, though each run by itself is uncertain by 0.3.
RunReport report_by_chunks(double shift, size_t chunks = 8) {
  RunReport report = report_with(0.1 + shift, 0.3);
  report.models[0].hash = "model";
  DivergenceResult& result = report.variants[0].divergences[0];
  result.chunks = chunks;
  for (size_t i = 0; i < chunks; ++i) {
    double sign = i % 2 == 0 ? 1 : -1;
    double spread =
        0.001 * std::sqrt(static_cast<double>(chunks - 1));  // so that the error of the mean is 0.001
    double own = 0.1 + sign * 0.8;
    result.per_chunk.push_back({own + (shift == 0 ? 0 : shift + sign * spread), 0.01});
  }
  return report;
}

ResultPair only_pair(const RunReport& a, const RunReport& b) {
  return match_runs(a, b).results.at(0);
}

TEST(CompareRuns, PairsTheChunksOfTheSameText) {
  RunReport a = report_by_chunks(0), b = report_by_chunks(0.01);
  Distance distance = only_pair(a, b).ratios_apart().value();
  EXPECT_TRUE(distance.paired);
  EXPECT_NEAR(distance.errors, 10, 1e-9);
  std::string text = text_of(compare_runs(a, b), "results_differ");
  EXPECT_NE(text.find(", 1 beyond noise"), std::string::npos) << text;
  EXPECT_EQ(text.find("too wide"), std::string::npos) << text;
}

TEST(CompareRuns, DoesNotPairOtherModelsTextsOrChunks) {
  auto paired = [](const std::function<void(RunReport&)>& change) {
    RunReport a = report_by_chunks(0), b = report_by_chunks(0.01);
    change(b);
    return only_pair(a, b).ratios_apart().value().paired;
  };
  EXPECT_TRUE(paired([](RunReport&) {}));
  EXPECT_FALSE(paired([](RunReport& b) { b.models[0].hash = "other"; }));
  EXPECT_FALSE(paired([](RunReport& b) { b.texts[0].hash = "other"; }));
  EXPECT_FALSE(paired([](RunReport& b) { b.variants[0].divergences[0].scored_tokens = 200; }));
  EXPECT_FALSE(paired([](RunReport& b) { b.variants[0].divergences[0].per_chunk.pop_back(); }));
  EXPECT_FALSE(paired([](RunReport& b) { b.variants[0].divergences[0].per_chunk[3].ln_ppl_ratio.reset(); }));
  RunReport a = report_by_chunks(0, 7), b = report_by_chunks(0.01, 7);
  EXPECT_FALSE(only_pair(a, b).ratios_apart().value().paired);
}

TEST(CompareRuns, LooksAtDivergenceToo) {
  RunReport a = report_by_chunks(0), b = report_by_chunks(0);
  b.variants[0].divergences[0].kld_mean.value = 0.02;
  for (size_t i = 0; i < 8; ++i)
    b.variants[0].divergences[0].per_chunk[i].kld_mean = i % 2 == 0 ? 0.03 : 0.01;
  ResultPair pair = only_pair(a, b);
  EXPECT_EQ(pair.ratios_apart()->errors, 0);
  // 0.01 / (0.01 * sqrt(8 / (8 * 7)))
  EXPECT_NEAR(pair.divergences_apart()->errors, std::sqrt(7), 1e-9);
  EXPECT_EQ(pair.apart()->errors, pair.divergences_apart()->errors);
}

TEST(CompareRuns, NamesVariantsOfOneRunOnly) {
  RunReport b = report_with(0.1, 0.01);
  add_variant(b, "b", 1);
  RunComparison comparison = compare_runs(report_with(0.1, 0.01), b);
  EXPECT_EQ(text_of(comparison, "only"), "Only in B: b.");
  EXPECT_EQ(comparison.tables.back().key, "only");
}

TEST(CompareRuns, SaysWhereVerdictsDiffer) {
  RunComparison comparison = compare_runs(report_with(0.1, 0.01), report_with(0.01, 0.01));
  EXPECT_EQ(text_of(comparison, "verdicts_differ"), "Another verdict: a (worse in A, noise in B).");
}

TEST(CompareRuns, ListsWhatDiffersAround) {
  RunReport b = report_with(0.1, 0.01);
  b.settings.push_back({"context", "512"});
  b.texts[0].hash = "other";
  RunComparison comparison = compare_runs(report_with(0.1, 0.01), b);
  EXPECT_EQ(text_of(comparison, "settings_differ"),
            "What the runs were made with differs in the text text.txt and context.");
}

TEST(CompareRuns, OfAModelAndATextOfOneNameTellsWhichDiffers) {
  RunReport a = report_with(0.1, 0.01), b = report_with(0.1, 0.01);
  a.models[0].name = b.models[0].name = a.texts[0].name = b.texts[0].name = "demo";
  a.models[0].hash = b.models[0].hash = "of the model";
  EXPECT_EQ(text_of(compare_runs(a, b), "same_settings"),
            "Settings, versions, models and texts are the same.");
}

TEST(CompareRuns, MatchesTheOnlyTextsOfBoth) {
  RunReport b = report_with(0.2, 0.01);
  b.texts[0].name = "other.txt";
  EXPECT_NE(text_of(compare_runs(report_with(0.1, 0.01), b), "results_differ"), "");
}

TEST(CompareRuns, WithNothingInCommonSaysSo) {
  EXPECT_NE(text_of(compare_runs(report_with(0.1, 0.01), report_with(0.1, 0.01, "z")), "no_results"), "");
}

}  // namespace
}  // namespace fakequant::report
