#include "select/pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "select/test_models.h"

namespace fakequant {
namespace {

using testing::TestModel;

template <typename Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string layer_error(const std::string& text) {
  return error_of([&] { LayerSelection::parse(text); });
}

std::string tensor_error(const std::string& text) {
  return error_of([&] { TensorSelection::parse(text); });
}

std::vector<int> layers(const std::string& text, int count = 12) {
  LayerSelection selection = LayerSelection::parse(text);
  std::vector<int> result;
  for (int layer = 0; layer < count; ++layer) {
    if (selection.contains(layer)) result.push_back(layer);
  }
  return result;
}

std::vector<size_t> indices(const TestModel& model, const std::string& tensors,
                            const std::string& layer_text = "") {
  std::optional<TensorSelection> chosen;
  std::optional<LayerSelection> in_layers;
  if (!tensors.empty()) chosen = TensorSelection::parse(tensors);
  if (!layer_text.empty()) in_layers = LayerSelection::parse(layer_text);
  return select_tensors(model.tensors(), chosen, in_layers);
}

std::string selected(const TestModel& model, const std::string& tensors, const std::string& layer_text = "") {
  return join(model.names(indices(model, tensors, layer_text)), " ");
}

std::string select_error(const TestModel& model, const std::string& tensors,
                         const std::string& layer_text = "") {
  return error_of([&] { indices(model, tensors, layer_text); });
}

TEST(LayerSelection, TakesNumbersRangesListsAndAll) {
  EXPECT_EQ(layers("0"), (std::vector<int>{0}));
  EXPECT_EQ(layers("0-2"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(layers("0,2"), (std::vector<int>{0, 2})) << "a list, not a range";
  EXPECT_EQ(layers("0-2,5,10-"), (std::vector<int>{0, 1, 2, 5, 10, 11}));
  EXPECT_EQ(layers("3-3,3,2-4"), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(layers("all").size(), 12u);
  EXPECT_EQ(layers(" 0 - 2 ,\t5 , 10 - "), (std::vector<int>{0, 1, 2, 5, 10, 11}));
  EXPECT_TRUE(LayerSelection::parse("10-").contains(kMaxLayer));
  EXPECT_FALSE(LayerSelection::parse("0-2").contains(-1));
}

TEST(LayerSelection, NamesTheBadPartAndItsPlace) {
  EXPECT_EQ(layer_error("0,x-2"),
            "layer selection '0,x-2': 'x-2' at character 3 is not a layer; write 0, 0-2, 5- or all");
  EXPECT_EQ(layer_error("0, 2-0"),
            "layer selection '0, 2-0': the range '2-0' at character 4 runs backwards; did you mean 0-2?");
  EXPECT_EQ(layer_error("0,,2"), "layer selection '0,,2': nothing stands between the commas at character 3");
  EXPECT_EQ(layer_error(""), "empty layer selection");
  EXPECT_NE(layer_error("1000000").find("beyond the largest allowed, 999999"), std::string::npos);
  for (const char* text : {" ", ",", "0,", ",0", "-", "-2", "1--2", "1-2-3", "0x1", "+1", "1.5", "1 2", "ALL",
                           "all-2", "1-all", "99999999999999999999",
                           "0\xe2\x80\x93"
                           "2"}) {
    EXPECT_THROW(LayerSelection::parse(text), UsageError) << text;
  }
}

TEST(LayerSelection, EveryNamedLayerMustExist) {
  std::vector<int> known = {0, 1, 2, 3, 7};
  auto check = [&](const std::string& text) {
    return error_of([&] { LayerSelection::parse(text).check(known); });
  };
  for (const char* text : {"0", "0-3", "7", "7-", "3-", "all", "0,7"}) EXPECT_EQ(check(text), "") << text;
  EXPECT_EQ(check("0-8"), "layer selection '0-8': the model has no layer 4; its layers are 0-3, 7");
  EXPECT_EQ(check("0,8-"), "layer selection '0,8-': the model has no layer 8; its layers are 0-3, 7");
  EXPECT_EQ(check("0-999999"), "layer selection '0-999999': the model has no layer 4; its layers are 0-3, 7");
  known.clear();
  EXPECT_EQ(check("all"), "layer selection 'all': the model has no layers, that is no tensors named blk.N");
}

TEST(TensorSelection, SpecificRolesAreWeightAndBias) {
  TestModel model = testing::phi();
  EXPECT_EQ(selected(model, "ffn_norm"),
            "blk.0.ffn_norm.weight blk.0.ffn_norm.bias blk.1.ffn_norm.weight blk.1.ffn_norm.bias");
  EXPECT_EQ(selected(model, "ffn_norm", "1"), "blk.1.ffn_norm.weight blk.1.ffn_norm.bias");
  EXPECT_EQ(selected(model, "output"), "output.weight output.bias");
  EXPECT_EQ(selected(model, "rope_factors_long"), "rope_factors_long.weight");
}

TEST(TensorSelection, GroupsExcludeNorms) {
  EXPECT_EQ(selected(testing::llama(1), "ffn"),
            "blk.0.ffn_gate.weight blk.0.ffn_up.weight blk.0.ffn_down.weight");
  EXPECT_EQ(selected(testing::llama(1), "attn"),
            "blk.0.attn_q.weight blk.0.attn_k.weight blk.0.attn_v.weight blk.0.attn_output.weight");
  EXPECT_EQ(selected(testing::llama(1), "norm"),
            "blk.0.attn_norm.weight blk.0.ffn_norm.weight output_norm.weight");
  EXPECT_EQ(selected(testing::phi(1), "attn"),
            "blk.0.attn_qkv.weight blk.0.attn_qkv.bias blk.0.attn_output.weight");
  EXPECT_EQ(selected(testing::llama(1), "embedding,output"), "token_embd.weight output.weight");
}

TEST(TensorSelection, GroupsFitOtherArchitectures) {
  EXPECT_EQ(indices(testing::gemma3(2), "norm").size(), 13u);
  EXPECT_EQ(selected(testing::mixtral(1), "experts"),
            "blk.0.ffn_gate_exps.weight blk.0.ffn_up_exps.weight blk.0.ffn_down_exps.weight");
  EXPECT_EQ(selected(testing::mixtral(1), "ffn,!experts"), "blk.0.ffn_gate_inp.weight");
  EXPECT_EQ(
      selected(testing::mamba(1), "matrices"),
      "token_embd.weight blk.0.ssm_in.weight blk.0.ssm_conv1d.weight blk.0.ssm_x.weight blk.0.ssm_dt.weight "
      "blk.0.ssm_out.weight");
  EXPECT_EQ(selected(testing::mamba(1), "ssm_a,ssm_d"), "blk.0.ssm_a blk.0.ssm_d");
  EXPECT_EQ(selected(testing::deepseek(), "attn", "0"),
            "blk.0.attn_q_a.weight blk.0.attn_q_b.weight blk.0.attn_kv_a_mqa.weight blk.0.attn_k_b.weight "
            "blk.0.attn_v_b.weight blk.0.attn_output.weight");
  EXPECT_EQ(selected(testing::deepseek(), "experts"), "blk.1.ffn_up_exps.weight");
}

TEST(TensorSelection, TakesNamesGlobsAndExpressions) {
  TestModel model = testing::llama(12);
  EXPECT_EQ(selected(model, "output.weight"), "output.weight");
  EXPECT_EQ(selected(model, "blk.1.attn_?.weight"),
            "blk.1.attn_q.weight blk.1.attn_k.weight blk.1.attn_v.weight");
  EXPECT_EQ(selected(model, "blk.[01].*_norm.*"),
            "blk.0.attn_norm.weight blk.0.ffn_norm.weight blk.1.attn_norm.weight blk.1.ffn_norm.weight");
  EXPECT_EQ(selected(model, "/^blk\\.1\\d\\.ffn_norm/"), "blk.10.ffn_norm.weight blk.11.ffn_norm.weight");
  EXPECT_EQ(selected(model, "/^blk\\.\\d{2,3}\\.ffn_norm/ , output"),
            "blk.10.ffn_norm.weight blk.11.ffn_norm.weight output.weight")
      << "the comma inside slashes belongs to the expression";
  EXPECT_EQ(indices(model, "all").size(), model.tensors().size());
}

TEST(TensorSelection, ExclusionsWinInAnyOrder) {
  TestModel model = testing::llama(1);
  std::string expected = "blk.0.ffn_up.weight blk.0.ffn_down.weight";
  EXPECT_EQ(selected(model, "ffn,!ffn_gate"), expected);
  EXPECT_EQ(selected(model, "!ffn_gate,ffn"), expected);
  EXPECT_EQ(selected(model, " ffn , ! /gate|q,?x/ "), expected);
  EXPECT_EQ(selected(model, "!matrices"),
            "rope_freqs.weight blk.0.attn_norm.weight blk.0.ffn_norm.weight output_norm.weight")
      << "exclusion alone means all others";
  EXPECT_EQ(selected(model, "!matrices,!blk.*"), "rope_freqs.weight output_norm.weight");
}

TEST(TensorSelection, NamesAreCaseSensitive) {
  TestModel model;
  model.add("blk.0.FFN_norm.weight", {8}).add("blk.0.ffn_norm.weight", {8});
  EXPECT_EQ(selected(model, "ffn_norm"), "blk.0.ffn_norm.weight");
  EXPECT_EQ(selected(model, "FFN_norm"), "blk.0.FFN_norm.weight");
  EXPECT_EQ(select_error(testing::llama(), "NORM")
                .find("the model has no tensor of the role or name 'NORM'; did you mean norm"),
            0u);
}

TEST(TensorSelection, BadItemsNameThemselvesAndTheirPlace) {
  EXPECT_EQ(tensor_error("ffn, /a(b/"),
            "tensor selection 'ffn, /a(b/': '/a(b/' at character 6: bad regular expression 'a(b': '(' "
            "without ')' at its character 2");
  EXPECT_EQ(tensor_error("blk.[0,ffn"),
            "tensor selection 'blk.[0,ffn': 'blk.[0' at character 1: bad glob pattern 'blk.[0': '[' without "
            "']' at its character 5");
  EXPECT_EQ(tensor_error("ffn,,attn"),
            "tensor selection 'ffn,,attn': nothing stands between the commas at character 5");
  EXPECT_EQ(tensor_error("!"), "tensor selection '!': '!' at character 1: '!' with nothing to exclude");
  for (const char* text :
       {"", " ", ",", "a,", "!!a", "/", "//", "/a", "/a/b", "!/a", "/a\\/", "a\\", "/(/,/)/", "! !a"}) {
    EXPECT_THROW(TensorSelection::parse(text), UsageError) << text;
  }
  EXPECT_THROW(TensorSelection::parse(std::string(70'000, 'a')), UsageError);
  EXPECT_THROW(TensorSelection::parse("/" + std::string(257, 'a') + "/"), UsageError);
}

TEST(SelectTensors, LayersAloneSelectTheirBlocks) {
  TestModel model = testing::llama(3);
  EXPECT_EQ(indices(model, "", "0").size(), 9u);
  EXPECT_EQ(indices(model, "", "1-").size(), 18u);
  EXPECT_EQ(indices(model, "", "all").size(), 27u) << "tensors outside blocks need a tensor selection";
  EXPECT_EQ(indices(model, "").size(), model.tensors().size());
}

TEST(SelectTensors, BothGivenIsTheIntersection) {
  EXPECT_EQ(selected(testing::llama(3), "norm", "2"), "blk.2.attn_norm.weight blk.2.ffn_norm.weight");
  EXPECT_EQ(selected(testing::llama(3), "!matrices", "0,2"),
            "blk.0.attn_norm.weight blk.0.ffn_norm.weight blk.2.attn_norm.weight blk.2.ffn_norm.weight");
}

TEST(SelectTensors, AnItemThatMatchesNothingIsAnErrorWithNearNames) {
  TestModel model = testing::llama(2);
  EXPECT_EQ(select_error(model, "ffn_nrom"),
            "the model has no tensor of the role or name 'ffn_nrom'; did you mean ffn_norm or ffn?");
  EXPECT_EQ(select_error(model, "attn,ffn_nrom"),
            "the model has no tensor of the role or name 'ffn_nrom' (in the tensor selection "
            "'attn,ffn_nrom'); did you mean ffn_norm or ffn?");
  EXPECT_NE(select_error(model, "attn,!ffn_nrom"), "") << "a typo in an exclusion too";
  EXPECT_EQ(select_error(model, "blk.0.ffn_norm"),
            "the model has no tensor of the role or name 'blk.0.ffn_norm'; did you mean ffn_norm, "
            "blk.0.ffn_norm.weight or norm?");
  EXPECT_EQ(select_error(model, "ffn_*"),
            "no tensor name of the model matches 'ffn_*'; a pattern must match the whole name: did you mean "
            "*.ffn_*?");
  EXPECT_EQ(select_error(model, "*.ffn_norm"),
            "no tensor name of the model matches '*.ffn_norm'; a pattern must match the whole name: did you "
            "mean *.ffn_norm*?");
  EXPECT_NE(select_error(model, "/^ffn_norn/").find("did you mean ffn_norm"), std::string::npos);
  EXPECT_EQ(select_error(model, "xyzzy!")
                .find("the model has no tensor of the role or name 'xyzzy!'; its roles are token_embd (1), "
                      "rope_freqs (1), attn_norm (2)"),
            0u);
  EXPECT_EQ(select_error(model, "experts")
                .find("the model has no tensor of the role group 'experts'; its roles are "),
            0u);
}

TEST(SelectTensors, AModelWithoutOutputHeadSaysSo) {
  EXPECT_EQ(select_error(testing::gemma3(), "output"),
            "the model has no tensor of the role group 'output'; a model without one uses token_embd as its "
            "output head");
}

TEST(SelectTensors, AnEmptySelectionSaysWhy) {
  TestModel model = testing::llama(3);
  EXPECT_EQ(select_error(model, "ffn_up,!ffn"),
            "the tensor selection 'ffn_up,!ffn' selects nothing: it excludes all that it includes");
  EXPECT_EQ(select_error(model, "output_norm,rope_freqs", "0"),
            "the tensor selection 'output_norm,rope_freqs' selects nothing in layers '0': what it selects, "
            "such as rope_freqs.weight, "
            "is outside the layers; leave out the layer selection to choose it");
  EXPECT_EQ(select_error(testing::deepseek(), "experts", "0"),
            "the tensor selection 'experts' selects nothing in layers '0': what it selects, such as "
            "blk.1.ffn_up_exps.weight, is in layers 1");
  EXPECT_EQ(select_error(model, "ffn", "3"),
            "layer selection '3': the model has no layer 3; its layers are 0-2");
  EXPECT_EQ(select_error(TestModel(), ""), "the model has no tensors to select");
  EXPECT_NE(select_error(TestModel(), "norm"), "");
  EXPECT_NE(select_error(TestModel(), "", "0"), "");
}

TEST(SelectTensors, NeedsNoModelThatLlamaCanLoad) {
  TestModel model;
  model.add("blk.5.x.weight", {8}).add("odd name", {8});
  EXPECT_EQ(selected(model, "", "5"), "blk.5.x.weight");
  EXPECT_EQ(selected(model, "odd name"), "odd name");
  EXPECT_EQ(selected(model, "x"), "blk.5.x.weight");
}

TEST(SelectTensors, ErrorsArePrintable) {
  TestModel model;
  model.add(
      "blk.0.a\x1b\xff"
      "b.weight",
      {8});
  std::string text = select_error(model,
                                  "blk.0.a\x1b\xff"
                                  "c.weight");
  EXPECT_EQ(text, printable(text));
}

}  // namespace
}  // namespace fakequant
