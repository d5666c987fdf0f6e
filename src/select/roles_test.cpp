#include "select/roles.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/text.h"
#include "select/test_models.h"

namespace fakequant {
namespace {

using testing::TestModel;

TensorInfo tensor(const std::string& name, std::vector<int64_t> shape = {8},
                  TensorType type = TensorType::F32) {
  TestModel model;
  model.add(name, std::move(shape), type);
  return *model.tensors()[0].info;
}

bool in(const std::string& group, const TensorInfo& info) {
  return find_role_group(group)->contains(info);
}

std::string groups_of(const std::string& name) {
  std::vector<std::string> groups;
  for (const RoleGroup& group : role_groups()) {
    if (group.word != "all" && group.word != "matrices" && group.contains(tensor(name)))
      groups.emplace_back(group.word);
  }
  return groups.empty() ? "-" : join(groups, ",");
}

TEST(LayerOf, ReadsPlainDecimalBlockNumbers) {
  EXPECT_EQ(layer_of("blk.0.ffn_norm.weight"), 0);
  EXPECT_EQ(layer_of("blk.127.attn_q.bias"), 127);
  EXPECT_EQ(layer_of("blk.999999.x"), kMaxLayer);
}

TEST(LayerOf, RefusesEverythingElse) {
  for (const char* name :
       {"", "blk", "blk.", "blk.1", "blk.1.", "blk..x", "blk.01.x", "blk.-1.x", "blk.+1.x", "blk.1a.x",
        "blk. 1.x", "blk.1000000.x", "blk.99999999999999999999999.x", "Blk.1.x", "xblk.1.x", "enc.blk.1.x",
        "v.blk.1.attn_q.weight", "output_norm.weight", "blk1.x"}) {
    EXPECT_EQ(layer_of(name), std::nullopt) << name;
  }
}

TEST(RoleOf, IsWhatStandsBetweenBlockAndEnding) {
  EXPECT_EQ(role_of("blk.3.ffn_norm.weight"), "ffn_norm");
  EXPECT_EQ(role_of("blk.3.ffn_norm.bias"), "ffn_norm");
  EXPECT_EQ(role_of("output.weight"), "output");
  EXPECT_EQ(role_of("rope_freqs.weight"), "rope_freqs");
  EXPECT_EQ(role_of("blk.0.ssm_a"), "ssm_a");
  EXPECT_EQ(role_of("blk.0.ffn_up.7.weight"), "ffn_up");
  EXPECT_EQ(role_of("blk.0.nextn.eh_proj.weight"), "nextn.eh_proj");
  EXPECT_EQ(role_of("enc.blk.1.attn_q.weight"), "attn_q");
  EXPECT_EQ(role_of("mm.a.local_blk.1.attn_q.weight"), "attn_q");
}

TEST(RoleOf, KeepsTheScalesOfAQuantizedStorageApart) {
  EXPECT_EQ(role_of("blk.0.ffn_up.scale"), "ffn_up.scale");
  EXPECT_EQ(groups_of("blk.0.ffn_up.scale"), "-");
  EXPECT_EQ(groups_of("blk.0.ffn_up_exps.input_scale"), "-");
}

TEST(RoleOf, TakesAnyName) {
  EXPECT_EQ(role_of(""), "");
  EXPECT_EQ(role_of("weight"), "weight");
  EXPECT_EQ(role_of(".weight"), "");
  EXPECT_EQ(role_of("blk.0.weight"), "blk");
  EXPECT_EQ(role_of("..."), "...");
  EXPECT_EQ(role_of("7"), "");
}

TEST(RoleGroups, AgreeWithTheReviewedListOfEveryNameOfLlamaCpp) {
  std::ifstream file(FAKEQUANT_SOURCE_DIR "/src/select/testdata/tensor_names.txt");
  ASSERT_TRUE(file);
  int count = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::vector<std::string> fields = split(line, ' ');
    ASSERT_EQ(fields.size(), 3u) << line;
    for (const char* ending : {".weight", ".bias"}) {
      EXPECT_EQ(role_of(fields[0] + ending), fields[1]);
      EXPECT_EQ(groups_of(fields[0] + ending), fields[2]) << fields[0];
    }
    ++count;
  }
  EXPECT_GT(count, 400);
}

TEST(RoleGroups, MatricesAreDecidedByShape) {
  EXPECT_TRUE(in("matrices", tensor("blk.0.ffn_up.weight", {8, 4})));
  EXPECT_TRUE(in("matrices", tensor("blk.0.ffn_up_exps.weight", {8, 4, 2})));
  EXPECT_TRUE(in("matrices", tensor("token_embd.weight", {8, 4})));
  EXPECT_TRUE(in("matrices", tensor("blk.0.x.weight", {8, 1, 2})));
  EXPECT_FALSE(in("matrices", tensor("blk.0.ffn_norm.weight", {8})));
  EXPECT_FALSE(in("matrices", tensor("blk.0.ffn_norm.weight", {8, 1}))) << "ggml counts one dimension";
  EXPECT_FALSE(in("matrices", tensor("blk.0.x.weight", {})));
  EXPECT_FALSE(in("matrices", tensor("blk.0.x.bias", {8, 4})));
  EXPECT_FALSE(in("matrices", tensor("blk.0.ssm_a", {8, 4})));
  EXPECT_FALSE(in("matrices", tensor("blk.0.ffn_gate_tid2eid.weight", {8, 4}, TensorType::I32)));
}

TEST(RoleGroups, AllHoldsEverything) {
  EXPECT_TRUE(in("all", tensor("")));
  EXPECT_TRUE(in("all", tensor("rope_freqs.weight")));
  EXPECT_EQ(find_role_group("nosuch"), nullptr);
}

TEST(RolesPresent, CountsInOrderOfAppearance) {
  TestModel model = testing::llama(3);
  EXPECT_EQ(join(roles_present(model.tensors()), ", "),
            "token_embd (1), rope_freqs (1), attn_norm (3), attn_q (3), attn_k (3), attn_v (3), attn_output "
            "(3), ffn_norm (3), "
            "ffn_gate (3), ffn_up (3), ffn_down (3), output_norm (1), output (1)");
}

TEST(RolesPresent, CountsWeightAndBiasTogetherAndPrintsSafely) {
  TestModel model;
  model.add("blk.0.ffn_norm.weight", {8}).add("blk.0.ffn_norm.bias", {8}).add("a\x1b[31mb", {8});
  EXPECT_EQ(join(roles_present(model.tensors()), ", "), "ffn_norm (2), a\\x1b[31mb (1)");
}

TEST(LayersPresent, AreAscendingAndUnique) {
  TestModel model;
  model.add("blk.7.a.weight", {8})
      .add("output.weight", {8})
      .add("blk.2.a.weight", {8})
      .add("blk.7.b.weight", {8});
  EXPECT_EQ(layers_present(model.tensors()), (std::vector<int>{2, 7}));
}

}  // namespace
}  // namespace fakequant
