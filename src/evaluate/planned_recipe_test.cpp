#include "evaluate/planned_recipe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "evaluate/testing.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;
using gguf_testing::error_of;
using gguf_testing::read_file;
using gguf_testing::TestFolder;
using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;
using tensors_testing::quantize;
using tensors_testing::Quantized;

constexpr auto kSilent = Progress::Mode::silent;

// A model with everything that a recipe for it refers to.
struct Planned {
  Planned(const std::string& path, const std::string& recipe)
      : model(Model::open(path)),
        planned("test", make_plan(model.tensors(), parse_recipe(recipe, "recipe").rules), {model, importance},
                kSilent) {}

  Model model;
  ImportanceMatrix importance;
  PlannedRecipe planned;
};

std::string rule(const std::string& tensors, const std::string& format, const std::string& store = "keep") {
  return "[[rule]]\ntensors = \"" + tensors + "\"\nformat = \"" + format + "\"\nstore = \"" + store + "\"\n";
}

constexpr const char* kNorm = "blk.0.ffn_norm.weight";        // F32
constexpr const char* kUp = "blk.0.ffn_up.weight";            // F16
constexpr const char* kDown = "blk.0.ffn_down.weight";        // F32
constexpr const char* kQuery = "blk.0.attn_q.weight";         // Q8_0
constexpr const char* kValue = "blk.0.attn_v.weight";         // F32, integers that BF16 holds
constexpr const char* kRouter = "blk.0.ffn_gate_inp.weight";  // F32, a matrix that stays in F32

std::string small_model(const TestFolder& folder) {
  std::vector<float> integers(256 * 4);
  for (size_t i = 0; i < integers.size(); ++i) integers[i] = static_cast<float>(i % 200) - 100;
  GgufBuilder builder;
  builder.add("general.architecture", std::string_view("llama"));
  add_values(builder, kNorm, TensorType::F32, {256}, normal_values(256, 1));
  add_values(builder, kUp, TensorType::F16, {256, 4}, normal_values(256 * 4, 2));
  add_values(builder, kDown, TensorType::F32, {256, 4}, normal_values(256 * 4, 3));
  add_values(builder, kQuery, TensorType::Q8_0, {256, 4}, normal_values(256 * 4, 4));
  add_values(builder, kValue, TensorType::F32, {256, 4}, integers);
  add_values(builder, kRouter, TensorType::F32, {256, 4}, normal_values(256 * 4, 5));
  return folder.write("small.gguf", builder.build());
}

using Types = std::vector<TensorType>;
constexpr TensorType F32 = TensorType::F32, F16 = TensorType::F16, BF16 = TensorType::BF16,
                     Q8_0 = TensorType::Q8_0;

TEST(PlannedRecipe, KeepsTypesUnlessTheStoreSaysOtherwise) {
  TestFolder folder;
  std::string path = small_model(folder);
  Planned kept(path, rule(kNorm, "bf16:rtz") + rule(kUp, "e4m3"));
  EXPECT_EQ(kept.planned.types(), (Types{F32, F16, F32, Q8_0, F32, F32}));
  EXPECT_FALSE(kept.planned.changes_types());
  EXPECT_EQ(kept.planned.baseline_types(kSilent), kept.planned.types());
  EXPECT_EQ(kept.planned.most_changed_bytes(), 256U * 4 + 1024U * 2);
  EXPECT_EQ(kept.planned.name(), "test");
  EXPECT_EQ(kept.planned.plan().tensors.size(), 2U);

  Planned wide(path, rule(kUp, "e4m3", "f32") + rule(kQuery, "int4:group=32", "auto"));
  EXPECT_EQ(wide.planned.types(), (Types{F32, F32, F32, F32, F32, F32}));
  EXPECT_TRUE(wide.planned.changes_types());
  EXPECT_EQ(wide.planned.most_changed_bytes(), 2 * 1024U * 4);
}

TEST(PlannedRecipe, ComparesWithTypesThatHoldTheUnroundedValues) {
  TestFolder folder;
  // BF16 holds the integers of one and not the values of the other; a quantized type holds neither for certain.
  Planned half(small_model(folder), rule(kDown, "bf16", "bf16") + rule(kValue, "bf16", "bf16") +
                                        rule(kQuery, "f32", "f16") + rule(kUp, "e4m3", "f16"));
  EXPECT_EQ(half.planned.types(), (Types{F32, F16, BF16, F16, BF16, F32}));
  // Q8_0's products of code and scale need more bits than F16 has.
  EXPECT_EQ(half.planned.baseline_types(kSilent), (Types{F32, F16, F32, F32, BF16, F32}));

  Planned narrow(small_model(folder), rule(kDown, "mxfp4", "narrow"));
  ASSERT_EQ(narrow.planned.types()[2], TensorType::MXFP4);
  EXPECT_EQ(narrow.planned.baseline_types(kSilent)[2], F32);
  EXPECT_EQ(narrow.planned.most_changed_bytes(), 1024U / 32 * 17);

  Planned quantized(small_model(folder), rule(kQuery, "f32"));
  EXPECT_EQ(quantized.planned.baseline_types(kSilent)[3], Q8_0);
}

TEST(PlannedRecipe, ReallyQuantizesMatricesWithGgmlTypesOnly) {
  TestFolder folder;
  std::string path = small_model(folder);
  Planned all(path, rule("all", "q4_0", "auto"));
  // Not the norm and not the router.
  EXPECT_EQ(all.planned.really_quantizable(), (std::vector<size_t>{1, 2, 3, 4}));
  Planned some(path,
               rule(kUp, "int4:group=32") + rule(kDown, "q8_0") + rule(kQuery, "f32") + rule(kValue, "q4_k"));
  // Indices into the plan: up, down, query, value.
  EXPECT_EQ(some.planned.really_quantizable(), (std::vector<size_t>{1, 3}));
}

std::string bytes_of(VirtualFile& file) {
  std::string bytes(file.size(), '?');
  EXPECT_EQ(file.read(0, std::as_writable_bytes(std::span(bytes))), bytes.size());
  return bytes;
}

TEST(PlannedRecipe, RoundedIsTheFileThatQuantizeWrites) {
  TestFolder folder;
  std::string path = small_model(folder);
  for (auto [format, store] : {std::pair{"e4m3", Store::f32}, {"int4:group=32", Store::automatic}}) {
    Quantized done =
        quantize(path, folder.at("out.gguf"), "all", format, store, {.force = true, .sync = false});
    Planned planned(path, rule("all", format, std::string(name_of(store))));
    EXPECT_TRUE(bytes_of(*planned.planned.rounded()) == read_file(done.path)) << format;
  }
}

TEST(PlannedRecipe, ReallyQuantizedHoldsTheTypesThemselves) {
  TestFolder folder;
  std::string path = small_model(folder);
  Planned planned(path, rule(kNorm, "q4_0") + rule(kDown, "q4_0") + rule(kUp, "bf16"));
  std::unique_ptr<VirtualFile> file = planned.planned.really_quantized();
  Model real = Model::open(folder.write("real.gguf", bytes_of(*file)));
  EXPECT_EQ(real.find(kNorm)->type, F32);
  EXPECT_EQ(real.find(kUp)->type, F16);
  EXPECT_EQ(real.find(kDown)->type, TensorType::Q4_0);
  Model fake = Model::open(folder.write("fake.gguf", bytes_of(*planned.planned.rounded())));
  for (const char* name : {kNorm, kUp, kDown, kQuery})
    EXPECT_EQ(tensors_testing::values_of(real, name), tensors_testing::values_of(fake, name)) << name;
}

TEST(Widened, HoldsTheValuesAsTheyAre) {
  TestFolder folder;
  Model model = Model::open(small_model(folder));
  std::unique_ptr<VirtualFile> file = widened(model, {F32, F32, F32, F32, BF16, F32});
  Model wide = Model::open(folder.write("wide.gguf", bytes_of(*file)));
  EXPECT_EQ(wide.find(kUp)->type, F32);
  EXPECT_EQ(wide.find(kValue)->type, BF16);
  for (const Model::Located& tensor : model.tensors()) {
    const std::string& name = tensor.info->name;
    EXPECT_EQ(tensors_testing::values_of(wide, name), tensors_testing::values_of(model, name)) << name;
  }
  std::unique_ptr<VirtualFile> same = widened(model, {F32, F16, F32, Q8_0, F32, F32});
  EXPECT_TRUE(bytes_of(*same) == read_file(model.path()));
}

TEST(Widened, TakesWhatKeepsItsTypeAsItIs) {
  TestFolder folder;
  GgufBuilder builder;
  builder.add_tensor("doubles", TensorType::F64, {8});
  builder.add_tensor("integers", TensorType::I32, {8});
  builder.add_tensor("half", TensorType::F16, {8});
  Model model = Model::open(folder.write("in.gguf", builder.build()));
  std::unique_ptr<VirtualFile> file = widened(model, {TensorType::F64, TensorType::I32, F32});
  Model wide = Model::open(folder.write("wide.gguf", bytes_of(*file)));
  for (size_t i : {0U, 1U})
    EXPECT_TRUE(std::ranges::equal(wide.data_of(wide.tensors()[i]), model.data_of(model.tensors()[i]))) << i;
}

TEST(Widened, RefusesATypeThatCannotHoldAValue) {
  TestFolder folder;
  Model model = Model::open(small_model(folder));
  std::unique_ptr<VirtualFile> half = widened(model, {F32, F16, BF16, Q8_0, F32, F32});
  EXPECT_EQ(error_of([&] { bytes_of(*half); }),
            "tensor 'blk.0.ffn_down.weight': BF16 cannot hold its values as they are");
  std::unique_ptr<VirtualFile> quantized = widened(model, {F32, F16, TensorType::Q4_0, Q8_0, F32, F32});
  EXPECT_NE(error_of([&] { bytes_of(*quantized); }).find("'blk.0.ffn_down.weight'"), std::string::npos);
}

// In a loaded model.

std::vector<std::byte> held(const ModelWeights& of, const std::string& name) {
  std::vector<std::byte> bytes(of.bytes(name));
  of.read(name, bytes);
  return bytes;
}

TEST(PlannedRecipe, ChangesAreTheBytesThatQuantizeWrites) {
  TestFolder folder;
  Quantized done =
      quantize(kDemo, folder.at("out.gguf"), "ffn", "int4:group=32", Store::keep, {.sync = false});
  Model written = Model::open(done.path);
  Planned planned(kDemo, rule("ffn", "int4:group=32"));
  PatchReport report;
  std::vector<WeightChange> changes = planned.planned.changes(weights(), report, kSilent);
  ASSERT_EQ(changes.size(), 18U);
  ASSERT_EQ(report.tensors.size(), 18U);
  uint64_t bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    const TensorInfo* info = written.find(changes[i].name);
    std::span<const std::byte> wanted = written.shards()[0].data_of(*info);
    EXPECT_TRUE(std::ranges::equal(changes[i].bytes, wanted)) << changes[i].name;
    EXPECT_EQ(report.tensors[i].plan_index, i);
    EXPECT_EQ(report.tensors[i].difference.sum_squared_error,
              done.result.tensors[i].difference.sum_squared_error);
    bytes += wanted.size();
  }
  EXPECT_EQ(report.changed_bytes, bytes);
  EXPECT_EQ(planned.planned.most_changed_bytes(), bytes);
}

TEST(PlannedRecipe, WhatRoundingLeavesIsNoChange) {
  // F16 leaves F16 tensors; of the norms it changes all.
  Planned planned(kDemo, rule("blk.0.ffn_norm.weight,blk.0.ffn_up.weight", "f16"));
  PatchReport report;
  std::vector<WeightChange> changes = planned.planned.changes(weights(), report, kSilent);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].name, "blk.0.ffn_norm.weight");
  EXPECT_EQ(report.changed_bytes, 1024U);
  EXPECT_EQ(report.tensors.size(), 2U);
}

TEST(PlannedRecipe, ChangesAWidenedModelWhereValuesChange) {
  Planned planned(kDemo,
                  rule("blk.0.ffn_up.weight", "f16", "f32") + rule("blk.0.ffn_down.weight", "e4m3", "f32"));
  std::unique_ptr<VirtualFile> file = widened(planned.model, planned.planned.baseline_types(kSilent));
  LoadedModel wide = LoadedModel::load(*file, {}, LoadedModel::Weights::loaded);
  ModelWeights of_wide(wide, kContext);
  ASSERT_EQ(of_wide.type("blk.0.ffn_up.weight"), F32);
  planned.planned.check_restored(of_wide, kSilent);
  PatchReport report;
  std::vector<WeightChange> changes = planned.planned.changes(of_wide, report, kSilent);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].name, "blk.0.ffn_down.weight");
  EXPECT_EQ(changes[0].bytes.size(), 256U * 512 * 4);
  WeightPatch patch(of_wide, std::move(changes));
  patch.apply();
  EXPECT_NE(error_of([&] { planned.planned.check_restored(of_wide, kSilent); }), "");
  patch.restore();
  planned.planned.check_restored(of_wide, kSilent);
}

TEST(PlannedRecipe, NoticesAWeightThatIsNotWhatItWas) {
  Planned planned(kDemo, rule("ffn_norm", "bf16"));
  planned.planned.check_restored(weights(), kSilent);
  const std::string name = "blk.3.ffn_norm.weight";
  std::vector<std::byte> bytes = held(weights(), name);
  bytes.back() ^= std::byte{1};
  weights().exchange(name, bytes);
  EXPECT_EQ(error_of([&] { planned.planned.check_restored(weights(), kSilent); }),
            kDemo + ": tensor '" + name +
                "': found other bytes in memory after the evaluation than in the file; the file changed, or "
                "memory is not sound");
  weights().exchange(name, bytes);
  planned.planned.check_restored(weights(), kSilent);
}

TEST(PlannedRecipe, NamesPlannedTensorsThatTheGraphDoesNotUse) {
  // With the context that the other tests use the model takes its short factors, not its long ones.
  TestFolder folder;
  std::string path = folder.write("long.gguf", engine_testing::demo_with_rope_factors());
  LoadedModel model = engine_testing::load(path);
  ModelWeights used(model, kContext);
  Planned planned(path, rule("rope_factors_long.weight,rope_factors_short.weight,ffn_norm", "e4m3"));
  EXPECT_EQ(planned.planned.unused(used), std::vector<std::string>{"rope_factors_long.weight"});
  PatchReport report;
  std::vector<WeightChange> changes = planned.planned.changes(used, report, kSilent);
  EXPECT_EQ(report.tensors.size(), 8U);
  EXPECT_EQ(changes.size(), 7U);
  for (const WeightChange& change : changes) EXPECT_NE(change.name, "rope_factors_long.weight");
  planned.planned.check_restored(used, kSilent);
  EXPECT_TRUE(Planned(kDemo, rule("all", "bf16")).planned.unused(weights()).empty());
}

}  // namespace
}  // namespace fakequant
