#include "engine/weight_patch.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace fakequant {
namespace {

using namespace engine_testing;

const std::string kNorm = "blk.0.ffn_norm.weight";
const std::string kLastNorm = "output_norm.weight";

std::vector<WeightChange> two_changes() {
  return {{kNorm, scaled_f32(demo_bytes(kNorm), 0.75F)}, {kLastNorm, scaled_f32(demo_bytes(kLastNorm), 2)}};
}

// The logits of a file that holds what two_changes() says.
std::vector<float> logits_of_changed_file() {
  std::string bytes = demo_without({kNorm, kLastNorm}, [](GgufBuilder& builder) {
    for (const WeightChange& change : two_changes())
      builder.add_tensor(change.name, 0, {256}, gguf_testing::text_of(change.bytes));
  });
  TestFolder folder;
  return chunk_logits(load(folder.write("changed.gguf", bytes)));
}

class WeightPatches : public testing::Test {
 protected:
  LoadedModel model_ = load();
  ModelWeights weights_{model_, 256};
  std::vector<float> logits_ = chunk_logits(model_);
};

TEST_F(WeightPatches, GiveTheLogitsOfAFileAndBackToTheBit) {
  std::vector<float> wanted = logits_of_changed_file();
  EXPECT_NE(wanted, logits_);
  WeightPatch patch(weights_, two_changes());
  EXPECT_EQ(patch.bytes(), 2048U);
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(patch.is_applied());
    EXPECT_EQ(chunk_logits(model_), logits_) << round;
    patch.apply();
    EXPECT_TRUE(patch.is_applied());
    EXPECT_EQ(chunk_logits(model_), wanted) << round;
    patch.restore();
  }
  EXPECT_EQ(chunk_logits(model_), logits_);
}

TEST_F(WeightPatches, RestoreWhenTheyEnd) {
  {
    WeightPatch patch(weights_, two_changes());
    patch.apply();
    EXPECT_NE(chunk_logits(model_), logits_);
  }
  EXPECT_EQ(chunk_logits(model_), logits_);
  { WeightPatch never_applied(weights_, two_changes()); }
  EXPECT_EQ(chunk_logits(model_), logits_);
}

TEST_F(WeightPatches, OfOneModelWorkInTurn) {
  WeightPatch both(weights_, two_changes());
  WeightPatch one(weights_, {two_changes()[1]});
  one.apply();
  std::vector<float> of_one = chunk_logits(model_);
  one.restore();
  both.apply();
  EXPECT_NE(chunk_logits(model_), of_one);
  both.restore();
  one.apply();
  EXPECT_EQ(chunk_logits(model_), of_one);
}

TEST_F(WeightPatches, WithoutChangesAreTheModel) {
  WeightPatch patch(weights_, {});
  EXPECT_EQ(patch.bytes(), 0U);
  patch.apply();
  EXPECT_EQ(chunk_logits(model_), logits_);
}

using WeightPatchesDeathTest = WeightPatches;

TEST_F(WeightPatchesDeathTest, MisuseIsABug) {
  std::vector<WeightChange> short_one = two_changes();
  short_one[0].bytes.pop_back();
  EXPECT_DEATH(WeightPatch(weights_, short_one), "change.bytes");
  EXPECT_DEATH(WeightPatch(weights_, {{"nothing", {}}}), "found");
  WeightPatch patch(weights_, two_changes());
  EXPECT_DEATH(patch.restore(), "applied_");
  patch.apply();
  EXPECT_DEATH(patch.apply(), "applied_");
}

}  // namespace
}  // namespace fakequant
