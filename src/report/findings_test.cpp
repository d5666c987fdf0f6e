#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "report/finding_testing.h"

namespace fakequant::report {
namespace {

using namespace testing;
TEST(Findings, OfAnEmptyReportAreNone) {
  EXPECT_TRUE(find_all(empty_report()).empty());
}

TEST(Findings, KindsHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const FindingKind& kind : finding_kinds()) EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
}

ReportCriterion criterion(Outcome outcome, double value) {
  ReportCriterion result;
  result.line = 50;
  result.name = "small";
  result.check = "mean_rel < 0.01";
  result.outcome = outcome;
  result.values.push_back({.variant = 0, .text = std::nullopt, .value = value, .line = 10});
  return result;
}

TEST(Criteria, PassedAreCountedAmongTheDecided) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.criteria = {criterion(Outcome::pass, 0.001)};
  EXPECT_EQ(one(report, "criteria_passed").text, "The one criterion passes.");
  report.criteria.push_back(criterion(Outcome::fail, 0.02));
  report.criteria.push_back(criterion(Outcome::judged, 0));
  EXPECT_TRUE(of_kind(report, "criteria_passed").empty()) << "the same name, and one fails";
  report.criteria[0].name = "other";
  EXPECT_EQ(one(report, "criteria_passed").text, "1 of 2 criteria passes.");
  Finding failed = one(report, "criteria_failed");
  EXPECT_EQ(failed.text, "Fails: small. Wanted mean_rel < 0.01, found 0.02 in a.");
  EXPECT_EQ(failed.severity, Severity::problem);
  EXPECT_EQ(failed.lines, (Lines{10, 50}));
  EXPECT_EQ(one(report, "criteria_open").text, "For a person to judge: small.");
}

TEST(Criteria, OfTwoStagesAreCountedOnce) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.criteria = {criterion(Outcome::pass, 0.001), criterion(Outcome::pass, 0.002)};
  report.criteria[1].stage = "second";
  EXPECT_EQ(one(report, "criteria_passed").text, "The one criterion passes in both stages.");
}

TEST(Criteria, FailedSayHowManyFail) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b", "c"}) add_variant(report, name, 1);
  ReportCriterion failed = criterion(Outcome::fail, 0.02);
  failed.values.push_back({.variant = 1, .text = std::nullopt, .value = 0.03, .line = 11});
  failed.values.push_back({.variant = 2, .text = std::nullopt, .value = 0.001, .line = 12});
  report.criteria = {failed};
  EXPECT_EQ(
      one(report, "criteria_failed").text,
      "Fails: small. Wanted mean_rel < 0.01, found 0.03 in b, the worst of 2 that fail; 3 were measured.");
}

ReportMeasurement measurement(MeasurementState state, const std::string& failure = "") {
  ReportMeasurement result;
  result.kind = "load";
  result.variant = 0;
  result.state = state;
  result.line = state == MeasurementState::failed ? 60 : 0;
  result.failure = failure;
  return result;
}

TEST(Unfinished, CountsWhatIsMissing) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.measurements = {measurement(MeasurementState::missing), measurement(MeasurementState::done)};
  EXPECT_FALSE(report.finished());
  EXPECT_EQ(one(report, "unfinished").text,
            "This run is not finished: 1 of 2 measurements is missing. fakequant run with the same folder "
            "makes them.");
  report.sessions.resize(1);
  EXPECT_TRUE(one(report, "unfinished")
                  .text.starts_with("This run is not finished (it was killed, or is still running): 1 of 2"));
  report.sessions[0].outcome = "stopped";
  report.sessions[0].text = "the time limit of 5 s was reached";
  EXPECT_TRUE(
      one(report, "unfinished")
          .text.starts_with("This run is not finished (stopped: the time limit of 5 s was reached): 1 of 2"));
  report.measurements[0].state = MeasurementState::left_out;
  EXPECT_TRUE(report.finished());
  EXPECT_TRUE(of_kind(report, "unfinished").empty());
}

TEST(Failures, OfOneReasonAreOneFinding) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.measurements = {measurement(MeasurementState::failed, "no memory"),
                         measurement(MeasurementState::failed, "no memory")};
  EXPECT_EQ(one(report, "failures").text, "Could not be measured: load of a and load of a. no memory.");
  EXPECT_EQ(one(report, "failures").lines, Lines{60});
}

ReportDecision decision(Action action, bool holds) {
  ReportDecision result;
  result.line = 70;
  result.stage = "rest";
  result.action = action;
  result.reasons.push_back(
      {.check = "ln_ppl_ratio < 0.05", .worst = 0.08, .variant = 0, .holds = holds, .line = 20});
  return result;
}

TEST(Decisions, SayTheNumberThatDecided) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.decisions = {decision(Action::skip, false)};
  EXPECT_EQ(one(report, "left_out").text,
            "Stage rest was left out: ln_ppl_ratio < 0.05 does not hold (0.08 in a).");
  report.decisions = {decision(Action::run, true)};
  EXPECT_EQ(one(report, "ran").text, "Stage rest ran: ln_ppl_ratio < 0.05 holds (0.08 in a).");
  EXPECT_EQ(one(report, "ran").lines, (Lines{20, 70}));
  report.decisions = {decision(Action::stop, false)};
  report.measurements = {measurement(MeasurementState::left_out)};
  EXPECT_EQ(one(report, "stopped").text,
            "The run stopped early, in stage rest: ln_ppl_ratio < 0.05 does not hold (0.08 in a). 1 "
            "measurement was left out.");
}

TEST(NonFinite, IsFoundInWeightsLogitsAndResults) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "a", 2);
  variant.difference->total.new_nonfinite = 2;
  variant.difference->tensors[0].measures.new_nonfinite = 2;
  variant.load = LoadResult{.line = 15, .tokens_generated = 3, .text = "", .nonfinite = 1, .seconds = {}};
  add_divergence(variant, 0, 0, 0).ln_ppl_ratio.value.reset();
  std::vector<Finding> found = of_kind(report, "nonfinite");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].text,
            "a: 2 values that were finite before are NaN or Inf after rounding, in blk.0.ffn_norm.weight.");
  EXPECT_EQ(found[1].text, "a: llama.cpp computed NaN or Inf when it generated with the file.");
  EXPECT_EQ(found[2].text, "a: perplexity or KL divergence on text.txt is no finite number.");
}

TEST(UnchangedButDifferent, IsAProblem) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 0), 0.1, 0.01, 0.1);
  EXPECT_EQ(one(report, "unchanged_but_different").severity, Severity::problem);
  EXPECT_EQ(one(report, "nothing_changed").text.find("for that reason"), std::string::npos);
}

TEST(ChangedButSame, NamesUnusedTensors) {
  RunReport report = empty_report();
  DivergenceResult& result = add_divergence(add_variant(report, "a", 1), 0, 0, 0);
  EXPECT_NE(one(report, "changed_but_same").text.find("1 value changed"), std::string::npos);
  result.all_unused = true;
  EXPECT_EQ(one(report, "changed_but_same").text,
            "a: 1 value changed, and every distribution is exactly the baseline's: the model uses none of "
            "the tensors.");
}

TEST(Unused, IsSaidOnceForAllTexts) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "a", 1);
  add_divergence(variant, 0.1, 0.01, 0.1).unused_tensors = {"rope_freqs.weight"};
  add_divergence(variant, 0.1, 0.01, 0.1).unused_tensors = {"rope_freqs.weight"};
  EXPECT_EQ(
      one(report, "unused").text,
      "a: the model's graph does not read 1 tensor: rope_freqs.weight. Nothing can be said of its rounding.");
}

TEST(Better, IsSuspicious) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 1), -0.1, 0.01, 0.1);
  EXPECT_EQ(one(report, "better").text,
            "Perplexity is 9.52 % +/- 0.90 % better in a, beyond noise on text.txt. Rounding adds no "
            "knowledge: on another text "
            "it may be worse. KL divergence says how much changed, whichever way.");
}

TEST(Saturated, CountsOneAndMany) {
  RunReport report = empty_report();
  DifferenceMeasures& measures = add_variant(report, "a", 1).difference->tensors[0].measures;
  measures.saturated_infinities = 1;
  EXPECT_EQ(one(report, "saturated").text,
            "a: 1 infinity of the model became the largest value of the format, in blk.0.ffn_norm.weight: "
            "the file no longer shows it.");
  measures.saturated_infinities = 1200;
  EXPECT_NE(one(report, "saturated").text.find("1,200 infinities"), std::string::npos);
}

TEST(StoreErrors, AreOneFindingForAllVariants) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b"}) {
    DifferenceMeasures& measures = add_variant(report, name, 1).difference->tensors[0].measures;
    measures.store_changed_count = 3;
    measures.store_max_abs = 0.25;
  }
  EXPECT_TRUE(
      one(report, "store_errors")
          .text.starts_with(
              "In a and b the type in the file cannot hold every rounded value; storing adds up to 0.25 "));
}

TEST(UnfitTensors, AreNamed) {
  RunReport report = empty_report();
  add_variant(report, "a", 1).difference->skipped = {"x"};
  EXPECT_EQ(one(report, "unfit_tensors").text,
            "a: 1 tensor does not fit its format and stayed as it was: x.");
  report.variants[0].difference->skipped = {"x", "y"};
  EXPECT_EQ(one(report, "unfit_tensors").text,
            "a: 2 tensors do not fit their format and stayed as they were: x and y.");
}

TEST(FewChunks, AreToldOfTexts) {
  RunReport report = empty_report();
  DivergenceResult& result = add_divergence(add_variant(report, "a", 1), 0.1, 0.01, 0.1);
  EXPECT_TRUE(of_kind(report, "few_chunks").empty());
  result.ln_ppl_ratio.error_chunks.reset();
  result.chunks = 1;
  EXPECT_TRUE(
      one(report, "few_chunks").text.starts_with("text.txt: 1 chunk is too few for errors over chunks;"));
}

TEST(ControlAsLarge, NamesVariantsThatMoveNoMore) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 1), 0.1, 0.01, 0.001);
  add_divergence(add_variant(report, "b", 1), 0.1, 0.01, 0.1);
  add_control(report, 0.0001, 0.01);
  Finding finding = one(report, "control_as_large");
  EXPECT_TRUE(
      finding.text.starts_with("a differs no more from the baseline than the control does (mean KLD 0.01)"))
      << finding.text;
  EXPECT_EQ(finding.lines, (Lines{20, 40}));
}

TEST(ControlBeyondNoise, IsNoMeasureOfNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 1), 0.02, 0.001, 0.001);
  add_control(report, 0.0222, 0.01);
  report.variants.back().what = "all weights in int4";
  report.variants.back().divergences[0].ln_ppl_ratio.error_chunks = 0.0053;
  Finding finding = one(report, "control_beyond_noise");
  EXPECT_EQ(finding.text,
            "The control (all weights in int4) is itself beyond noise: perplexity 2.24 % +/- 0.54 % worse. "
            "It cannot say what is noise, so variants are judged by their own errors alone.");
  EXPECT_EQ(finding.severity, Severity::caution);
  EXPECT_EQ(finding.lines, Lines{40});
  EXPECT_TRUE(of_kind(report, "control_as_large").empty());
  EXPECT_NE(one(report, "cost").text.find("worse"), std::string::npos);
  report.variants.back().divergences[0].ln_ppl_ratio.error_chunks = 0.0112;
  EXPECT_TRUE(of_kind(report, "control_beyond_noise").empty());
  EXPECT_EQ(of_kind(report, "control_as_large").size(), 1u);
  EXPECT_NE(one(report, "cost").text.find("which is noise"), std::string::npos);
}

TEST(ControlBeyondNoise, DoesNotCallItsTextsNoise) {
  RunReport report = empty_report();
  add_texts(add_variant(report, "a", 1), 2, 1, 0);
  add_texts(add_control(report, 0.0001, 0.01), 2, 1, 0);
  EXPECT_NE(one(report, "texts").text.find("whose differences are noise"), std::string::npos);
  report.variants.back().divergences[0].ln_ppl_ratio.value = 0.5;
  EXPECT_EQ(one(report, "texts").text.find("whose differences are noise"), std::string::npos);
  EXPECT_NE(one(report, "texts").text.find("; with the control, 1 of 2."), std::string::npos);
  report.variants.back().divergences.clear();
  EXPECT_NE(one(report, "texts").text.find("; with the control, 1 of 2."), std::string::npos);
}

TEST(SpeedDifferences, AreSuspiciousInTheSameTypes) {
  RunReport report = empty_report();
  SpeedResult speed;
  speed.line = 80;
  speed.prompt = {
      .baseline = 100, .variant = 120, .ratio = 1.2, .interval = Interval{1.1, 1.3, 0.97}, .differs = true};
  add_variant(report, "a", 1).speed = speed;
  EXPECT_TRUE(one(report, "speed_differences")
                  .text.starts_with("Speeds differ by up to 20 % although the same kernels run"))
      << one(report, "speed_differences").text;
  report.variants[0].cache_type_k = "q4_0";
  EXPECT_EQ(one(report, "speed_differences").text,
            "a: reading prompts is 1.2 times as fast as with the baseline (1.1 to 1.3 with 97 %).");
  report.variants[0].speed->prompt.ratio = 1.008;
  EXPECT_TRUE(of_kind(report, "speed_differences").empty()) << "machines are no steadier";
}

TEST(SpeedDifferences, BlameTheMachineOnlyWhereNoTypeDiffers) {
  RunReport report = empty_report();
  report.settings.push_back({"cache_type_k", "f16"});
  SpeedResult speed;
  speed.prompt = {
      .baseline = 100, .variant = 30, .ratio = 0.3, .interval = Interval{0.2, 0.4, 0.97}, .differs = true};
  ReportVariant& variant = add_variant(report, "a", 1);
  variant.speed = speed;
  auto blames = [&] { return one(report, "speed_differences").text.starts_with("Speeds differ"); };
  EXPECT_TRUE(blames());
  variant.cache_type_k = "f16";
  EXPECT_TRUE(blames());
  variant.cache_type_k = "";
  variant.cache_type_v = "q4_0";
  EXPECT_FALSE(blames());
  variant.cache_type_v = "";
  variant.difference->file.types_changed = 1;
  EXPECT_FALSE(blames());
  variant.difference.reset();
  EXPECT_FALSE(blames());
}

TEST(Versions, OfSeveralSessionsAreTold) {
  RunReport report = empty_report();
  report.sessions.resize(2);
  report.sessions[0].program = "0.1";
  report.sessions[1].program = "0.2";
  EXPECT_TRUE(
      one(report, "versions")
          .text.starts_with("The run was made in parts with several versions of fakequant: 0.1 and 0.2."));
}

TEST(Warnings, HaveTheirVariant) {
  RunReport report = empty_report();
  add_variant(report, "a", 1);
  report.warnings.push_back({90, "something odd", std::nullopt, 0});
  EXPECT_EQ(one(report, "warnings").text, "a: something odd.");
}

TEST(Warnings, ThatDifferInNumbersAreOne) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b", "c"}) add_variant(report, name, 1);
  report.warnings.push_back({90, "odd: 1,540,058 values by up to 8.6e-05", std::nullopt, 0});
  report.warnings.push_back({91, "odd: 12 values by up to 0.25", std::nullopt, 1});
  report.warnings.push_back({92, "another", std::nullopt, 2});
  report.warnings.push_back(
      {93, "storing changed 12 values by up to 0.25", std::nullopt, 2});  // find_store_errors tells
  std::vector<Finding> found = of_kind(report, "warnings");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text, "a: odd: 1,540,058 values by up to 8.6e-05. With other numbers also: b.");
  EXPECT_EQ(found[0].lines, (Lines{90, 91}));
  EXPECT_EQ(found[1].text, "c: another.");
}

TEST(PartlyUnchanged, GroupsVariants) {
  RunReport report = empty_report();
  for (const char* name : {"a", "b"}) {
    add_variant(report, name, 5)
        .difference->tensors.push_back(tensor_difference("output_norm.weight", 10, 0));
  }
  EXPECT_EQ(one(report, "partly_unchanged").text,
            "a and b: 1 tensor did not change, which is bf16 in fact: output_norm.weight.");
}

TEST(Impossible, GivesTheReason) {
  RunReport report = empty_report();
  add_variant(report, "a", 1).skipped_because = "layers 0-9: the model has layers 0-5";
  EXPECT_EQ(one(report, "impossible").text, "a was left out: layers 0-9: the model has layers 0-5.");
}

TEST(Findings, OfOneKindStayFew) {
  RunReport report = empty_report();
  for (int i = 0; i < 30; ++i) {
    ReportVariant& variant = add_variant(report, fmt::format("v{}", i), 1);
    variant.difference->line = 100 + static_cast<size_t>(i);
  }
  std::vector<Finding> found = of_kind(report, "changed");
  ASSERT_EQ(found.size(), 9u);
  EXPECT_EQ(found.back().text, "And 22 more like these; the tables have them all.");
  EXPECT_EQ(found.back().lines.size(), 22u);
}

}  // namespace
}  // namespace fakequant::report
