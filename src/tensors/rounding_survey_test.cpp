#include "tensors/rounding_survey.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/parallel.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::Quantized;
using tensors_testing::TestFolder;

// An F32 norm, an F16 matrix of several pieces, a quantized one.
std::string small_model() {
  GgufBuilder builder;
  builder.add("general.architecture", std::string_view("llama"));
  add_values(builder, "blk.0.ffn_norm.weight", TensorType::F32, {40}, normal_values(40, 1));
  add_values(builder, "blk.0.ffn_up.weight", TensorType::F16, {256, 700}, normal_values(256 * 700, 2));
  add_values(builder, "blk.0.attn_q.weight", TensorType::Q8_0, {256, 4}, normal_values(256 * 4, 3));
  return builder.build();
}

struct Survey {
  std::vector<SurveyedTensor> tensors;
  uint64_t done = 0;
};

Survey survey(const std::string& path, const std::string& tensors, const std::string& format, Store store) {
  Model model = Model::open(path);
  Rule rule{std::string(kCommandLineRule), TensorSelection::parse(tensors), std::nullopt,
            parse_format(format), store};
  Plan plan = make_plan(model.tensors(), {rule}, {});
  ImportanceMatrix importance;
  PlannedRounders rounders(model, plan, importance);
  RewritePlan layout = plan_rewrite(model, plan, rounders, "out.gguf", {.progress = Progress::Mode::silent});
  Survey result;
  survey_rounding(
      model, plan, rounders, layout, kDefaultEpsilon,
      [&](const SurveyedTensor& surveyed) { result.tensors.push_back(surveyed); },
      [&](uint64_t bytes) { result.done += bytes; });
  return result;
}

TEST(RoundingSurvey, FindsTheDifferencesOfTheFileThatRewriteWrites) {
  TestFolder folder;
  std::string input = folder.write("in.gguf", small_model());
  for (const char* format : {"bf16:rtz", "int4:group=8", "mxfp4", "q8_0"}) {
    Quantized written = quantize(input, folder.at(std::string("out-") + format[0] + ".gguf"),
                                 "blk.0.ffn_up.weight", format, Store::keep, {.force = true});
    Survey found = survey(input, "blk.0.ffn_up.weight", format, Store::keep);
    ASSERT_EQ(found.tensors.size(), 1u) << format;
    const Difference& ours = found.tensors[0].result.difference;
    const Difference& theirs = written.result.tensors[0].difference;
    EXPECT_EQ(ours.changed_count, theirs.changed_count) << format;
    EXPECT_EQ(ours.max_abs, theirs.max_abs) << format;
    EXPECT_EQ(ours.mean_rel(), theirs.mean_rel()) << format;
    EXPECT_EQ(found.tensors[0].histograms.a.total(), 256u * 700) << format;
    EXPECT_EQ(found.tensors[0].histograms.b.total(), 256u * 700) << format;
    EXPECT_EQ(found.done, 256u * 700 * 2) << format;
  }
}

TEST(RoundingSurvey, NamesThePrecisionThatIsLeft) {
  TestFolder folder;
  std::string input = folder.write("in.gguf", small_model());
  Survey norm = survey(input, "ffn_norm", "bf16:rtz", Store::keep);
  EXPECT_EQ(norm.tensors[0].precision_before, "f32");
  EXPECT_EQ(norm.tensors[0].precision_after, "bf16");
  Survey wider = survey(input, "attn_q", "bf16", Store::f32);
  EXPECT_EQ(wider.tensors[0].precision_before, "q8_0");
  EXPECT_EQ(wider.tensors[0].precision_after, "bf16");
  // Nothing but zeros among the differences where nothing changes.
  Survey same = survey(input, "attn_q", "q8_0", Store::keep);
  ASSERT_EQ(same.tensors[0].histograms.differences.bins().size(), 1u);
  EXPECT_EQ(same.tensors[0].histograms.differences.bins()[0].lower, 0);
}

TEST(RoundingSurvey, DoesNotDependOnThreads) {
  TestFolder folder;
  std::string input = folder.write("in.gguf", small_model());
  auto counts = [&](int threads) {
    ThreadLimit limit(threads);
    std::vector<uint64_t> result;
    for (const HistogramBin& bin :
         survey(input, "ffn_up", "e4m3", Store::keep).tensors[0].histograms.b.bins())
      result.push_back(bin.count);
    return result;
  };
  EXPECT_EQ(counts(1), counts(4));
}

}  // namespace
}  // namespace fakequant
