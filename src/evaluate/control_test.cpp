#include "evaluate/control.h"

#include <gtest/gtest.h>

#include "formats/format_grammar.h"
#include "gguf/testing.h"

namespace fakequant {
namespace {

using gguf_testing::GgufBuilder;
using gguf_testing::TestFolder;

// Tensors of all kinds of types, with rows of 64 and of 5.
Model mixed_model(const TestFolder& folder) {
  GgufBuilder builder;
  builder.add_tensor("integers", TensorType::I32, {64});
  builder.add_tensor("norm", TensorType::F32, {64});
  builder.add_tensor("quantized", TensorType::Q8_0, {64, 2});
  builder.add_tensor("half", TensorType::F16, {64, 3});
  builder.add_tensor("doubles", TensorType::F64, {64});
  builder.add_tensor("odd", TensorType::BF16, {5, 2});
  builder.add_tensor("brain", TensorType::BF16, {64});
  return Model::open(folder.write("in.gguf", builder.build()));
}

std::vector<std::string> planned_names(const Model& model, const Plan& plan) {
  std::vector<std::string> names;
  for (const PlannedTensor& planned : plan.tensors)
    names.push_back(model.tensors()[planned.tensor_index].info->name);
  return names;
}

TEST(ControlPlan, RoundsEveryFloatThatTheFormatFitsAndLeavesTheRest) {
  TestFolder folder;
  Model model = mixed_model(folder);
  Plan plan = control_plan(model.tensors(), parse_format("bf16"));
  EXPECT_EQ(planned_names(model, plan), (std::vector<std::string>{"norm", "half", "odd", "brain"}));
  for (const PlannedTensor& planned : plan.tensors) {
    EXPECT_EQ(planned.format.name, parse_format("bf16").name);
    EXPECT_EQ(planned.store, Store::keep);
    EXPECT_EQ(planned.rule, "control");
    EXPECT_EQ(plan.find(planned.tensor_index), &planned);
  }
  EXPECT_TRUE(plan.skipped.empty());
  EXPECT_EQ(plan.find(0), nullptr);
  // Sums are over what is chosen, each in 16 bits: 64 + 192 + 10 + 64 weights.
  EXPECT_EQ(plan.chosen_bits.weights, 330U);
  EXPECT_EQ(plan.chosen_bits.bits, 330U * 16);
  // The model's are over all of it, the rest as it is stored.
  BitsPerWeight all{};
  uint64_t stored_of_chosen = 0;
  for (const Model::Located& tensor : model.tensors()) all += file_bits(*tensor.info);
  for (const PlannedTensor& planned : plan.tensors)
    stored_of_chosen += file_bits(*model.tensors()[planned.tensor_index].info).bits;
  EXPECT_EQ(plan.model_bits, (BitsPerWeight{all.bits - stored_of_chosen + 330U * 16, all.weights}));
}

TEST(ControlPlan, LeavesRowsThatTheFormatDoesNotFit) {
  TestFolder folder;
  Model model = mixed_model(folder);
  Plan plan = control_plan(model.tensors(), parse_format("q8_0"));
  EXPECT_EQ(planned_names(model, plan), (std::vector<std::string>{"norm", "half", "brain"}));
  EXPECT_TRUE(plan.skipped.empty());
}

TEST(PlannedControls, SayHowMuchTheyRound) {
  TestFolder folder;
  Model model = mixed_model(folder);
  EXPECT_EQ(plan_control(model, parse_format("bf16"))->name, "control: bf16:rne on 4 of 7 tensors");
  GgufBuilder builder;
  builder.add_tensor("norm", TensorType::F32, {5});
  Model norms = Model::open(folder.write("norms.gguf", builder.build()));
  EXPECT_EQ(plan_control(norms, parse_format("e4m3"))->name, "control: e4m3:rne everywhere");
  EXPECT_FALSE(plan_control(norms, parse_format("q8_0"))) << "rows of 5 are no blocks";
}

}  // namespace
}  // namespace fakequant
