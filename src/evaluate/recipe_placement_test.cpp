#include "evaluate/recipe_placement.h"

#include <gtest/gtest.h>

#include "formats/format_grammar.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using gguf_testing::error_of;
using gguf_testing::TestFolder;
using tensors_testing::add_values;
using tensors_testing::GgufBuilder;
using tensors_testing::normal_values;

constexpr auto kSilent = Progress::Mode::silent;

// A norm in F32, and matrices in F16 and Q8_0.
class RecipePlacements : public testing::Test {
 protected:
  RecipePlacements() {
    GgufBuilder builder;
    builder.add("general.architecture", std::string_view("llama"));
    add_values(builder, "blk.0.ffn_norm.weight", TensorType::F32, {256}, normal_values(256, 1));
    add_values(builder, "blk.0.ffn_up.weight", TensorType::F16, {256, 4}, normal_values(256 * 4, 2));
    add_values(builder, "blk.0.attn_q.weight", TensorType::Q8_0, {256, 4}, normal_values(256 * 4, 3));
    model_ = Model::open(folder_.write("small.gguf", builder.build()));
  }

  PlannedRecipe& recipe(const std::string& tensors, const std::string& format, const std::string& store) {
    Rule rule{"rule", TensorSelection::parse(tensors), std::nullopt, parse_format(format),
              parse_store(store)};
    return recipes_.emplace_back("r", make_plan(model_.tensors(), {rule}), RecipeInputs{model_, importance_},
                                 kSilent);
  }
  RecipePlacement place(const std::string& tensors, const std::string& format, const std::string& store,
                        ComparedWith whom = ComparedWith::itself) {
    return place_recipe(recipe(tensors, format, store), whom, kSilent);
  }

  TestFolder folder_;
  Model model_;
  ImportanceMatrix importance_;
  std::deque<PlannedRecipe> recipes_;
};

TEST_F(RecipePlacements, OfUnchangedTypesPatchTheModelAsItIs) {
  for (ComparedWith whom : {ComparedWith::itself, ComparedWith::another}) {
    RecipePlacement placement = place("ffn_up", "bf16", "keep", whom);
    EXPECT_TRUE(placement.is_patch);
    EXPECT_FALSE(placement.baseline_types);
    EXPECT_EQ(placement.storage, "");
  }
}

TEST_F(RecipePlacements, OfWiderTypesPatchTheModelStoredAlike) {
  RecipePlacement placement = place("ffn_up,attn_q", "e4m3", "f32");
  EXPECT_TRUE(placement.is_patch);
  EXPECT_EQ(placement.baseline_types, recipes_.back().types());
  EXPECT_EQ(type_changes(model_, *placement.baseline_types), "2 tensors stored as F32");
  EXPECT_EQ(placement.storage, "") << "the baseline has the same";
}

TEST_F(RecipePlacements, OfNarrowerTypesAreLoadedBesideAModelThatHoldsItsValues) {
  RecipePlacement placement = place("ffn_up", "bf16", "bf16");
  EXPECT_FALSE(placement.is_patch) << "BF16 does not hold the unrounded values";
  EXPECT_EQ(type_changes(model_, *placement.baseline_types), "1 tensor stored as F32");
  EXPECT_EQ(placement.storage, "1 tensor stored as BF16");
}

TEST_F(RecipePlacements, AgainstAnotherModelAreLoadedWhereTypesChange) {
  RecipePlacement placement = place("ffn_up", "e4m3", "f32", ComparedWith::another);
  EXPECT_FALSE(placement.is_patch);
  EXPECT_FALSE(placement.baseline_types);
}

TEST_F(RecipePlacements, RefuseTypesThatKernelsDoNotTake) {
  check_one_dimensional(recipe("ffn_norm", "f16", "keep"), "store");
  check_one_dimensional(recipe("ffn_up", "bf16", "bf16"), "store");
  EXPECT_EQ(
      error_of([&] { check_one_dimensional(recipe("ffn_norm", "f16", "f16"), "store ="); }),
      "r: store = would put 'blk.0.ffn_norm.weight' into F16, wanted F32 for a tensor of one dimension: "
      "llama.cpp's kernels take no other; give store = keep or auto");
}

TEST_F(RecipePlacements, SourcesAreNamedAfterWhatTheyAre) {
  PlannedRecipe& wide = recipe("ffn_up", "e4m3", "f32");
  ModelSource unrounded = widened_source(model_, wide.types(), {});
  EXPECT_EQ(unrounded.name, "unrounded, 1 tensor stored as F32");
  EXPECT_FALSE(unrounded.is_file);
  EXPECT_EQ(rounded_source(wide, {}).name, "r");
  EXPECT_FALSE(really_quantized_source(wide, {})) << "e4m3 is no type of ggml's";
  EXPECT_EQ(really_quantized_source(recipe("ffn_up", "q4_0", "keep"), {})->name, "r, really quantized");
  EXPECT_EQ(really_quantized_source(recipe("ffn_up,ffn_norm", "q4_0", "keep"), {})->name,
            "r, really quantized (1 tensor fake)");
}

}  // namespace
}  // namespace fakequant
