#include "report/run_comparison.h"

#include <gtest/gtest.h>

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
  EXPECT_EQ(text_of(near, "results_differ"),
            "1 of 1 result in common differs, none beyond noise: the farthest apart is a, by 1.0 standard "
            "errors of the "
            "difference.");
  RunComparison far = compare_runs(report_with(0.10, 0.03), report_with(0.25, 0.04));
  EXPECT_NE(text_of(far, "results_differ").find("differs, 1 beyond noise: the farthest"), std::string::npos);
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
