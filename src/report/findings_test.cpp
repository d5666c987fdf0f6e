#include "report/findings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "report/testing.h"

namespace fakequant::report {
namespace {

using namespace testing;
using Lines = std::vector<size_t>;

// The findings of one kind.
std::vector<Finding> of_kind(const RunReport& report, std::string_view kind) {
  std::vector<Finding> result;
  for (Finding& finding : find_all(report)) {
    if (finding.kind == kind) result.push_back(std::move(finding));
  }
  return result;
}

// The only finding of a kind; another count fails the test.
Finding one(const RunReport& report, std::string_view kind) {
  std::vector<Finding> all = of_kind(report, kind);
  EXPECT_EQ(all.size(), 1u) << kind;
  return all.empty() ? Finding{"", Severity::note, "", {}} : all[0];
}

ReportVariant& add_control(RunReport& report, double ln_ratio, double kld) {
  ReportVariant& control = add_variant(report, "control", 50);
  control.is_control = true;
  control.what = "all weights in bf16";
  add_divergence(control, ln_ratio, 0.0001, kld).line = 40;
  return control;
}

TEST(Findings, OfAnEmptyReportAreNone) {
  EXPECT_TRUE(find_all(empty_report()).empty());
}

TEST(Findings, KindsHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const FindingKind& kind : finding_kinds()) EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
}

TEST(NothingChanged, NamesThePrecisionThatTensorsHave) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "test 1", 0);
  add_divergence(variant, 0, 0, 0);
  add_texts(variant, 3, 3, 0);
  Finding finding = one(report, "nothing_changed");
  EXPECT_EQ(finding.text,
            "No value changed in test 1: the one ffn_norm tensor is stored as F32 and is BF16 in fact, so "
            "rounding to bf16:rtz leaves "
            "it as it is. Perplexity and every text are the same for that reason: this is a property of the "
            "model, not a fault of the "
            "measurement.");
  EXPECT_EQ(finding.severity, Severity::answer);
  EXPECT_EQ(finding.lines, (Lines{10, 20}));
  EXPECT_TRUE(of_kind(report, "cost").empty());
}

TEST(NothingChanged, CountsTensorsOfAllVariantsOnce) {
  RunReport report = empty_report();
  add_variant(report, "a", 0);
  ReportVariant& second = add_variant(report, "b", 0);
  second.difference->tensors.push_back(tensor_difference("blk.1.ffn_norm.weight", 100, 0));
  EXPECT_EQ(one(report, "nothing_changed").text,
            "No value changed in 2 variants (a and b): all 2 ffn_norm tensors are stored as F32 and are BF16 "
            "in fact, so rounding to "
            "bf16:rtz leaves them as they are.");
}

TEST(Cost, SaysWorseBeyondTwoErrors) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), 0.013, 0.002, 0.012);
  Finding finding = one(report, "cost");
  EXPECT_EQ(finding.text,
            "a (ffn_norm in bf16:rtz, 8 bits per weight): perplexity 1.31 % +/- 0.20 % worse, 1 % of top "
            "tokens flip, mean KLD 0.012.");
  EXPECT_EQ(finding.lines, Lines{20});
}

TEST(Cost, CallsNoiseNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), -0.001, 0.002, 0);
  EXPECT_NE(
      one(report, "cost").text.find("perplexity 0.10 % +/- 0.20 % lower, which is noise, no top token flips"),
      std::string::npos);
}

TEST(Cost, OfManyVariantsIsASummary) {
  RunReport report = empty_report();
  for (int i = 0; i < 9; ++i)
    add_divergence(add_variant(report, fmt::format("v{}", i), 100), 0.01 * i, 0.02, 0.01);
  Finding finding = one(report, "cost");
  EXPECT_TRUE(finding.text.starts_with(
      "9 variants, 9 comparisons: perplexity is worse beyond noise in 4, within noise in 5. The most: v8 "))
      << finding.text;
}

TEST(Cost, OfThreeVariantsBeginsWithAnOverview) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), 0.5, 0.02, 0.01);
  add_divergence(add_variant(report, "b", 100), 0.01, 0.02, 0.01);
  add_divergence(add_variant(report, "c", 100), 0.02, 0.02, 0.01);
  EXPECT_EQ(of_kind(report, "cost").at(0).text,
            "Perplexity is worse beyond noise in a; within noise in b and c.");
  EXPECT_EQ(of_kind(report, "cost").size(), 4u);
}

TEST(Changed, IsSaidWhereNoTextWasMeasured) {
  RunReport report = empty_report();
  add_variant(report, "a", 50);
  EXPECT_EQ(one(report, "changed").text,
            "a (ffn_norm in bf16:rtz, 8 bits per weight): 50 of 100 values changed, mean relative difference "
            "0.3 %, largest n/a; what "
            "that costs was not measured.");
}

TEST(Cost, DoesNotSayTwiceWhatTheNameSays) {
  RunReport report = empty_report();
  ReportVariant& variant = add_variant(report, "ffn_norm, bf16:rtz", 100);
  variant.tensors = "ffn_norm";
  variant.format = "bf16:rtz";
  add_divergence(variant, 0.013, 0.002, 0.012);
  EXPECT_TRUE(one(report, "cost").text.starts_with("ffn_norm, bf16:rtz (8 bits per weight): perplexity"));
}

TEST(Best, HasTheFewestBitsWithinNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "worse", 100), 0.5, 0.02, 0.01);
  report.variants.back().model_bits = BitCount{2000, 1000};
  add_divergence(add_variant(report, "six", 100), 0.01, 0.02, 0.01);
  report.variants.back().model_bits = BitCount{6000, 1000};
  add_divergence(add_variant(report, "eight", 100), 0.01, 0.02, 0.01);
  EXPECT_EQ(one(report, "best").text,
            "The fewest bits whose perplexity is within noise: six (ffn_norm in bf16:rtz, 6 bits per "
            "weight), where the model itself has "
            "16; 1 % of its top tokens flip.");
}

TEST(Best, SaysWhereNothingIsWithinNoise) {
  RunReport report = empty_report();
  add_divergence(add_variant(report, "a", 100), 0.5, 0.02, 0.02);
  add_divergence(add_variant(report, "b", 100), 0.4, 0.02, 0.01);
  EXPECT_EQ(one(report, "best").text,
            "No variant stays within noise; the least divergence is that of b (ffn_norm in bf16:rtz, 8 bits "
            "per weight), mean KLD 0.01.");
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
  EXPECT_TRUE(found[0].text.starts_with("The fewest bits whose perplexity is within noise, of tiny: "))
      << found[0].text;
  EXPECT_NE(found[0].text.find("by 4000"), std::string::npos);
  EXPECT_TRUE(found[1].text.starts_with("No variant of large stays within noise; the least divergence "))
      << found[1].text;
}

TEST(Texts, AreCountedWithNearTies) {
  RunReport report = empty_report();
  add_texts(add_variant(report, "a", 1), 5, 3, 1);
  Finding finding = one(report, "texts");
  EXPECT_TRUE(finding.text.starts_with(
      "Generated texts that are the same as the baseline's: 3 of 5 in a (1 near-tie). At a near-tie"))
      << finding.text;
  EXPECT_EQ(finding.lines, Lines{30});
  report.variants[0].generation->identical = 5;
  EXPECT_EQ(one(report, "texts").text,
            "Every generated text is the same as the baseline's: 5 texts in 1 variant.");
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
  EXPECT_EQ(one(report, "criteria_passed").text, "The one check passes: small.");
  report.criteria.push_back(criterion(Outcome::fail, 0.02));
  report.criteria.push_back(criterion(Outcome::judged, 0));
  EXPECT_EQ(one(report, "criteria_passed").text, "1 of 2 checks passes: small.");
  Finding failed = one(report, "criteria_failed");
  EXPECT_EQ(failed.text, "Fails: small. Wanted mean_rel < 0.01, found 0.02 in a.");
  EXPECT_EQ(failed.severity, Severity::problem);
  EXPECT_EQ(failed.lines, (Lines{10, 50}));
  EXPECT_EQ(one(report, "criteria_open").text, "For a person to judge: small.");
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
  EXPECT_TRUE(
      one(report, "better")
          .text.starts_with("a: perplexity is 9.52 % +/- 0.90 % better than the baseline's, beyond noise."))
      << one(report, "better").text;
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
  EXPECT_NE(one(report, "texts").text.find("With the control: 1 of 2."), std::string::npos);
  report.variants.back().divergences.clear();
  EXPECT_NE(one(report, "texts").text.find("With the control: 1 of 2."), std::string::npos);
}

TEST(SpeedDifferences, AreSuspiciousInTheSameTypes) {
  RunReport report = empty_report();
  SpeedResult speed;
  speed.line = 80;
  speed.prompt = {
      .baseline = 100, .variant = 120, .ratio = 1.2, .interval = Interval{1.1, 1.3, 0.97}, .differs = true};
  add_variant(report, "a", 1).speed = speed;
  EXPECT_TRUE(one(report, "speed_differences")
                  .text.starts_with(
                      "a: reading prompts is 1.2 times as fast as the baseline (1.1 to 1.3 with 97 %)."))
      << one(report, "speed_differences").text;
}

TEST(SpeedDifferences, BlameTheMachineOnlyWhereNoTypeDiffers) {
  RunReport report = empty_report();
  report.settings.push_back({"cache_type_k", "f16"});
  SpeedResult speed;
  speed.prompt = {
      .baseline = 100, .variant = 30, .ratio = 0.3, .interval = Interval{0.2, 0.4, 0.97}, .differs = true};
  ReportVariant& variant = add_variant(report, "a", 1);
  variant.speed = speed;
  auto blames = [&] {
    return one(report, "speed_differences").text.find("no kernel differs") != std::string::npos;
  };
  EXPECT_TRUE(blames());
  variant.cache_type_k = "f16";
  EXPECT_TRUE(blames());
  variant.cache_type_k = "q4_0";
  EXPECT_FALSE(blames());
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
  EXPECT_EQ(one(report, "impossible").text, "a is not possible here: layers 0-9: the model has layers 0-5.");
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
