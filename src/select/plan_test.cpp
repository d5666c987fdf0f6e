#include "select/plan.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "select/test_models.h"

namespace fakequant {
namespace {

using testing::TestModel;

Rule rule(const std::string& name, const std::string& tensors, const std::string& format,
          const std::string& layers = "") {
  Rule result{.name = name, .tensors = {}, .layers = {}, .format = parse_format(format), .store = {}};
  if (!tensors.empty()) result.tensors = TensorSelection::parse(tensors);
  if (!layers.empty()) result.layers = LayerSelection::parse(layers);
  return result;
}

std::string plan_error(const TestModel& model, const std::vector<Rule>& rules) {
  try {
    make_plan(model.tensors(), rules);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(MakePlan, TheFirstRuleThatMatchesDecides) {
  TestModel model = testing::llama(2);
  Plan plan = make_plan(model.tensors(), {rule("a", "ffn_norm", "bf16:rtz", "0"), rule("b", "norm", "f16")});
  std::vector<std::string> lines;
  for (const PlannedTensor& tensor : plan.tensors) {
    lines.push_back(model.names({tensor.tensor_index})[0] + " " + tensor.format.name + " " + tensor.rule);
  }
  EXPECT_EQ(
      join(lines, ", "),
      "blk.0.attn_norm.weight f16:rne b, blk.0.ffn_norm.weight bf16:rtz a, blk.1.attn_norm.weight f16:rne b, "
      "blk.1.ffn_norm.weight f16:rne b, output_norm.weight f16:rne b");
  EXPECT_TRUE(plan.skipped.empty());
  EXPECT_TRUE(plan.unused_rules.empty());
}

TEST(MakePlan, TensorsNoRuleMatchesAreOutOfIt) {
  TestModel model = testing::llama(1);
  Plan plan = make_plan(model.tensors(), {rule("a", "output_norm", "bf16")});
  ASSERT_EQ(plan.tensors.size(), 1u);
  size_t index = plan.tensors[0].tensor_index;
  EXPECT_EQ(model.names({index})[0], "output_norm.weight");
  EXPECT_EQ(plan.find(index), &plan.tensors[0]);
  EXPECT_EQ(plan.find(0), nullptr);
  EXPECT_EQ(plan.find(999), nullptr);
}

TEST(MakePlan, ARuleWithoutSelectionIsTheRest) {
  TestModel model = testing::llama(1);
  EXPECT_EQ(make_plan(model.tensors(), {rule("a", "", "bf16")}).tensors.size(), model.tensors().size());
}

TEST(MakePlan, StoresAreTheRulesOrElseTheCommands) {
  Rule first = rule("a", "ffn_norm", "bf16");
  first.store = Store::f16;
  PlanOptions options;
  options.store = Store::automatic;
  Plan plan = make_plan(testing::llama(1).tensors(), {first, rule("b", "attn_norm", "bf16")}, options);
  ASSERT_EQ(plan.tensors.size(), 2u);
  EXPECT_EQ(plan.tensors[0].store, Store::automatic);
  EXPECT_EQ(plan.tensors[1].store, Store::f16);
}

TEST(MakePlan, ARuleWhoseSelectionMatchesNothingIsAnErrorThatNamesIt) {
  TestModel model = testing::llama(1);
  EXPECT_EQ(plan_error(model,
                       {rule("rule 1 (line 1)", "norm", "bf16"), rule("rule 2 (line 7)", "ffn_nrom", "bf16")})
                .find("rule 2 (line 7): the model has no tensor of the role or name 'ffn_nrom'; did you mean "
                      "ffn_norm"),
            0u);
  EXPECT_EQ(plan_error(model, {rule(std::string(kCommandLineRule), "experts", "bf16")})
                .find("the model has no tensor"),
            0u);
}

TEST(MakePlan, ARuleWhoseMatchesAreAllTakenIsNamedAsUnused) {
  Plan plan =
      make_plan(testing::llama(1).tensors(), {rule("a", "norm", "bf16"), rule("b", "ffn_norm", "f16")});
  EXPECT_EQ(plan.unused_rules, std::vector<std::string>{"b"});
}

TEST(MakePlan, FormatsThatDoNotFitAreAnErrorWithReasonAndNearestFormat) {
  TestModel model = testing::llama(1);
  std::string text = plan_error(model, {rule("rule 1 (line 1)", "ffn_down", "q4_0")});
  EXPECT_EQ(text.find("blk.0.ffn_down.weight cannot become q4_0 by rule 1 (line 1): its rows of 172 values"),
            0u)
      << text;
  EXPECT_NE(text.find("nearest format that fits"), std::string::npos) << text;
  EXPECT_NE(text.find("--skip-unfit"), std::string::npos) << text;
}

TEST(MakePlan, ListsFiveUnfitTensorsAndCountsTheRest) {
  TestModel model = testing::llama(7);
  std::string text = plan_error(model, {rule(std::string(kCommandLineRule), "ffn_down", "int4:group=64")});
  EXPECT_EQ(text.find("7 tensors do not fit their format"), 0u) << text;
  EXPECT_NE(text.find("\n  blk.4.ffn_down.weight cannot become int4:group=64"), std::string::npos) << text;
  EXPECT_EQ(text.find("blk.5."), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n  and 2 more")) << text;
  EXPECT_EQ(text.find("command line"), std::string::npos) << text;
}

TEST(MakePlan, SkipUnfitKeepsAndListsThem) {
  TestModel model = testing::llama(1);
  PlanOptions options;
  options.skip_unfit = true;
  Plan plan =
      make_plan(model.tensors(), {rule("a", "ffn", "int4:group=64"), rule("b", "ffn_down", "bf16")}, options);
  ASSERT_EQ(plan.tensors.size(), 2u);
  ASSERT_EQ(plan.skipped.size(), 1u);
  EXPECT_EQ(model.names({plan.skipped[0].tensor_index})[0], "blk.0.ffn_down.weight");
  EXPECT_EQ(plan.skipped[0].rule, "a") << "the first match decides, also when its format does not fit";
  EXPECT_NE(plan.skipped[0].reason, "");
  EXPECT_EQ(plan.skipped[0].format, parse_format("int4:group=64").name);
}

TEST(MakePlan, IntegerTensorsHoldNoWeights) {
  TestModel model;
  model.add("a.weight", {8}).add("ids.weight", {8}, TensorType::I32).add("big", {8}, TensorType::I64);
  EXPECT_NE(plan_error(model, {rule("a", "ids", "bf16")}).find("its type I32 holds integers, not weights"),
            std::string::npos);
  EXPECT_EQ(plan_error(model, {rule("a", "all", "f32")}), "") << "f32 leaves every tensor";
  PlanOptions options;
  options.skip_unfit = true;
  EXPECT_EQ(make_plan(model.tensors(), {rule("a", "all", "bf16")}, options).skipped.size(), 2u);
}

TEST(MakePlan, QuantizedStorageMayBeChosen) {
  TestModel model;
  model.add("blk.0.ffn_up.weight", {256, 4}, TensorType::Q4_K);
  EXPECT_EQ(make_plan(model.tensors(), {rule("a", "ffn", "int4")}).tensors.size(), 1u);
}

TEST(MakePlan, CountsBitsExactly) {
  TestModel model;
  model.add("a.weight", {64, 3})
      .add("b.weight", {64}, TensorType::F16)
      .add("c.weight", {256}, TensorType::Q4_K);
  Plan plan = make_plan(model.tensors(), {rule("x", "a", "int4:group=32")});
  // 192 codes of 4 bits and six F32 scales; F16; 144 bytes per 256 values.
  EXPECT_EQ(plan.chosen_bits.bits, 192u * 4 + 6 * 32);
  EXPECT_EQ(plan.chosen_bits.weights, 192u);
  EXPECT_EQ(plan.model_bits.bits, plan.chosen_bits.bits + 64 * 16 + 144 * 8);
  EXPECT_EQ(plan.model_bits.weights, 192u + 64 + 256);
}

TEST(MakePlan, ValuesThatStayCountAsTheFileStoresThem) {
  TestModel model;
  model.add("c.weight", {256}, TensorType::Q4_K);
  Plan plan = make_plan(model.tensors(), {rule("x", "c", "f32")});
  EXPECT_EQ(plan.chosen_bits.bits, 144u * 8);
  EXPECT_EQ(plan.model_bits.bits, 144u * 8);
}

TEST(MakePlan, WhatWasAskedForIsWhatIsReachedWhenEverythingFits) {
  TestModel model;
  model.add("a.weight", {64, 3})
      .add("b.weight", {64}, TensorType::F16)
      .add("c.weight", {64}, TensorType::F16);
  Plan plan = make_plan(model.tensors(), {rule("x", "a", "q4_0"), rule("y", "b", "f32")});
  EXPECT_EQ(plan.requested_bits, (BitsPerWeight{3 * 2 * 18 * 8 + 64 * 16, 256}));
  EXPECT_EQ(plan.achieved_bits, plan.requested_bits);
  EXPECT_EQ(plan.chosen_bits, plan.requested_bits);
  EXPECT_EQ(plan.model_bits, (BitsPerWeight{plan.requested_bits.bits + 64 * 16, 320}));
  EXPECT_EQ(plan.model_requested_bits, plan.model_bits);
  EXPECT_EQ(plan.tensors[0].bits, (BitsPerWeight{3 * 2 * 18 * 8, 192}));
  EXPECT_EQ(plan.tensors[1].bits, (BitsPerWeight{64 * 16, 64}))
      << "f32 leaves the tensor as the file stores it";
}

TEST(MakePlan, SkippedTensorsCountAsAskedForAndAsTheyAre) {
  TestModel model;
  model.add("a.weight", {256, 2}).add("b.weight", {172, 5}, TensorType::F16).add("c.weight", {64});
  PlanOptions options;
  options.skip_unfit = true;
  Plan plan = make_plan(model.tensors(), {rule("x", "a,b", "q4_k")}, options);
  ASSERT_EQ(plan.skipped.size(), 1u);
  // At the format's 4.5 bits a weight, though rows of 172 values hold no block of 256.
  EXPECT_EQ(plan.skipped[0].requested_bits, (BitsPerWeight{860 * 9 / 2, 860}));
  EXPECT_EQ(plan.skipped[0].achieved_bits, (BitsPerWeight{860 * 16, 860}));
  EXPECT_EQ(plan.chosen_bits, (BitsPerWeight{2 * 144 * 8, 512}));
  EXPECT_EQ(plan.requested_bits, (BitsPerWeight{2 * 144 * 8 + 860 * 9 / 2, 1372}));
  EXPECT_EQ(plan.achieved_bits, (BitsPerWeight{2 * 144 * 8 + 860 * 16, 1372}));
  EXPECT_EQ(plan.model_requested_bits, (BitsPerWeight{2 * 144 * 8 + 860 * 9 / 2 + 64 * 32, 1436}));
  EXPECT_EQ(plan.model_bits, (BitsPerWeight{2 * 144 * 8 + 860 * 16 + 64 * 32, 1436}));
}

TEST(MakePlan, IntegerTensorsThatAreSkippedCountAsWell) {
  TestModel model;
  model.add("a.weight", {8}).add("ids.weight", {8}, TensorType::I32);
  PlanOptions options;
  options.skip_unfit = true;
  Plan plan = make_plan(model.tensors(), {rule("x", "all", "bf16")}, options);
  EXPECT_EQ(plan.requested_bits, (BitsPerWeight{16 * 16, 16}));
  EXPECT_EQ(plan.achieved_bits, (BitsPerWeight{8 * 16 + 8 * 32, 16}));
  EXPECT_EQ(plan.model_bits, plan.achieved_bits);
}

TEST(MakePlan, NoRulesIsAnEmptyPlan) {
  Plan plan = make_plan(testing::llama(1).tensors(), {});
  EXPECT_TRUE(plan.tensors.empty());
  EXPECT_EQ(plan.chosen_bits.weights, 0u);
  EXPECT_GT(plan.model_bits.weights, 0u);
}

}  // namespace
}  // namespace fakequant
