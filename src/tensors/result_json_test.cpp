#include "tensors/result_json.h"

#include <gtest/gtest.h>

#include "tensors/inspect_json.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::quantize;
using tensors_testing::Quantized;
using tensors_testing::TestFolder;

// One norm, of which rounding to BF16 changes one value.
std::string one_norm(const TestFolder& folder) {
  GgufBuilder builder;
  builder.add("general.architecture", std::string_view("llama"));
  add_values(builder, "blk.0.ffn_norm.weight", TensorType::F32, {4},
             std::vector<float>{1, 2, 3, 4.0009765625F});
  add_values(builder, "integers", TensorType::F32, {2}, std::vector<float>{1, 1});
  return folder.write("in.gguf", builder.build());
}

TEST(ResultJson, HoldsWhatBecameOfATensor) {
  TestFolder folder;
  std::string path = one_norm(folder);
  Model model = Model::open(path);
  Quantized done = quantize(path, folder.at("out.gguf"), "ffn_norm", "bf16:rtz");
  const PlannedTensor& planned = done.plan.tensors[0];
  const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
  Json json = tensor_result_json(info, planned, done.result.tensors[0]);
  EXPECT_EQ(json["name"], "blk.0.ffn_norm.weight");
  EXPECT_EQ(json["format"], "bf16:rtz");
  EXPECT_EQ(json["type_before"], "F32");
  EXPECT_EQ(json["type_after"], "F32");
  EXPECT_EQ(json["achieved_bits_per_weight"], 16);
  EXPECT_EQ(json["count"], 4);
  EXPECT_EQ(json["changed_count"], 1);
  EXPECT_EQ(json["max_abs"], 0.0009765625);
  EXPECT_EQ(json["max_abs_index"], 3);
  EXPECT_EQ(json["store_changed_count"], 0);
  // Before anything is rounded the same keys are there but for the differences.
  Json before = planned_tensor_json(info, planned, TensorType::F32);
  for (auto& [key, value] : before.items()) EXPECT_EQ(json[key], value) << key;
  EXPECT_FALSE(before.contains("max_abs"));
  Json total = total_json(done.result.total, done.result.tensors);
  EXPECT_EQ(total["changed_count"], 1);
  EXPECT_EQ(total["store_max_abs"], 0);
}

TEST(ResultJson, HoldsBitsAsExactRatios) {
  EXPECT_EQ(bits_json({9, 2}).dump(), R"({"bits":9,"weights":2})");
  EXPECT_TRUE(seed_json(std::nullopt).is_null());
  EXPECT_EQ(seed_json(0), 0);
}

TEST(ResultJson, LeavesOutEmptyBinsAndInfinity) {
  EXPECT_EQ(histogram_json({{0, 1, 3}, {1, 2, 0}, {2, std::numeric_limits<float>::infinity(), 1}}).dump(),
            "[[0.0,1.0,3],[2.0,null,1]]");
  EXPECT_TRUE(difference_json(Difference())["snr_db"].is_null()) << "nothing differs";
}

TEST(InspectJson, HoldsTheModelsSumsWhateverWasLookedAt) {
  TestFolder folder;
  Model model = Model::open(one_norm(folder));
  size_t norm = 0;
  std::vector<TensorReport> reports = inspect(model, {&norm, 1}, {.progress = Progress::Mode::silent});
  Json json = inspection_json(model, reports);
  EXPECT_EQ(json["weights"], 6);
  EXPECT_EQ(json["bits_per_weight"], 32);
  EXPECT_EQ(json["types"].dump(), R"({"F32":{"tensors":2,"bytes":24}})");
  ASSERT_EQ(json["tensors"].size(), 1U);
  EXPECT_EQ(json["tensors"][0]["max"], 4.0009765625);
  EXPECT_EQ(json["tensors"][0]["low16_zero_fraction"], 0.75);
  EXPECT_FALSE(json.contains("schema_version")) << "that is the program's";
}

TEST(InspectJson, SaysNothingOfValuesThatCannotBeRead) {
  TensorInfo info;
  info.name = "i";
  info.type = TensorType::F32;
  TensorReport report;
  report.tensor_index = 0;
  Json json = tensor_report_json(info, report);
  for (const char* key : {"min", "zero_count", "low16_zero_fraction", "narrow_type"})
    EXPECT_TRUE(json.at(key).is_null()) << key;
}

}  // namespace
}  // namespace fakequant
