#include "report/judgement.h"

#include <gtest/gtest.h>

#include "report/testing.h"

namespace fakequant::report {
namespace {

using namespace testing;

DivergenceResult result(double ratio, double error, double kld = 0.001) {
  ReportVariant variant;
  return add_divergence(variant, ratio, error, kld);
}

TEST(Judge, TwoStandardErrorsDecide) {
  EXPECT_EQ(judge(result(0.02, 0.01), nullptr), Verdict::noise);
  EXPECT_EQ(judge(result(0.0201, 0.01), nullptr), Verdict::worse);
  EXPECT_EQ(judge(result(-0.0201, 0.01), nullptr), Verdict::better);
}

TEST(Judge, PrefersErrorsOverChunks) {
  DivergenceResult only_tokens = result(0.015, 0.01);
  EXPECT_EQ(judge(only_tokens, nullptr), Verdict::noise);
  only_tokens.ln_ppl_ratio.error_chunks.reset();  // what is left is half as large
  EXPECT_EQ(judge(only_tokens, nullptr), Verdict::worse);
  only_tokens.ln_ppl_ratio.error_tokens.reset();
  EXPECT_EQ(judge(only_tokens, nullptr), Verdict::unclear);
}

TEST(Judge, NothingBeyondTheControlIsNoise) {
  DivergenceResult control = result(-0.05, 0.025);
  EXPECT_EQ(judge(result(0.04, 0.001), &control), Verdict::noise);
  EXPECT_EQ(judge(result(0.06, 0.001), &control), Verdict::worse);
}

TEST(Judge, AControlBeyondItsErrorsIsNoNoise) {
  DivergenceResult control = result(0.0222, 0.0053);
  EXPECT_FALSE(measures_noise(control));
  EXPECT_EQ(judge(result(0.02, 0.001), &control), Verdict::worse);
  control.ln_ppl_ratio.error_chunks = 0.0111;  // exactly two
  EXPECT_TRUE(measures_noise(control));
  EXPECT_EQ(judge(result(0.02, 0.001), &control), Verdict::noise);
  control.ln_ppl_ratio.error_chunks = control.ln_ppl_ratio.error_tokens = std::nullopt;
  EXPECT_FALSE(measures_noise(control));
}

TEST(Judge, TheSameIsExactlyTheSame) {
  EXPECT_EQ(judge(result(0, 0, 0), nullptr), Verdict::same);
  EXPECT_NE(judge(result(0, 0, 1e-300), nullptr), Verdict::same);
  DivergenceResult broken = result(0, 0, 0);
  broken.ln_ppl_ratio.value.reset();
  EXPECT_EQ(judge(broken, nullptr), Verdict::unmeasured);
}

TEST(Judge, OfAVariantTheWorstTextCounts) {
  RunReport report = empty_report();
  report.texts.push_back({"t2", "other.txt", "", 5});
  ReportVariant& variant = add_variant(report, "a", 5);
  add_divergence(variant, 0.001, 0.01, 0.001);
  EXPECT_EQ(judge(report, variant), Verdict::noise);
  add_divergence(variant, 0.5, 0.01, 0.001).text = 1;
  EXPECT_EQ(judge(report, variant), Verdict::worse);
}

}  // namespace
}  // namespace fakequant::report
