// What an experiment file may not say, and the sentence that it gets.

#include <gtest/gtest.h>

#include "experiment/testing.h"

namespace fakequant {
namespace {

using testing::experiment_error;
using testing::kLeastExperiment;

// What is appended to the least experiment there is, and the problem that it makes.
struct Wrong {
  const char* text;
  const char* problem;
};

class WrongExperiments : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongExperiments, AreRefused) {
  std::string error = experiment_error(std::string(kLeastExperiment) + GetParam().text);
  EXPECT_EQ(error, GetParam().problem + std::string("\n")) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Parts, WrongExperiments,
    ::testing::Values(
        Wrong{"[[text]]\n", "e.toml:6: text 1: no file; write file = \"text.txt\", or \"demo\""},
        Wrong{"[[text]]\nfile = 'demo'\n[[text]]\nfile = 'demo'\n",
              "e.toml:8: text 'demo': found twice, first in line 6, wanted once"},
        Wrong{"[text]\nfile = 'demo'\n",
              "e.toml:6: 'text' is no list of tables; write [[text]] with two brackets"},
        Wrong{"[[settings]]\n", "e.toml:6: settings: found an array, wanted a table: [settings]"},
        Wrong{"[measure]\nspeed = 'yes'\n",
              "e.toml:7: measure: speed: found a string, wanted true or false without quotes"},
        Wrong{"[measure]\ndivergence = true\n",
              "e.toml:7: measure: divergence: there is no text to measure on; write [[text]] and below it "
              "file = \"...\""},
        Wrong{"[measure]\nprompts = 'gone.toml'\n",
              "e.toml:7: measure: prompts: found no file FOLDER/gone.toml, wanted one"},
        Wrong{"[measure]\nprompts = 'default'\n[[prompt]]\nprompt = 'a'\n",
              "e.toml:8: [[prompt]] and prompts of [measure] exclude each other; leave one out"},
        Wrong{"[measure]\nchat = true\n",
              "e.toml:7: measure: chat: there are no prompts that it could be about; write prompts = "
              "\"default\", or [[prompt]]"},
        Wrong{"[[prompt]]\nprompt = 'a'\nseed = -1\n",
              "e.toml:8: prompt 1: seed: found -1, wanted a whole number from 0 to 4294967294"},
        Wrong{"[[stage]]\nname = 'a'\n",
              "e.toml:3: [[stage]] and [[variant]] exclude each other; write [[stage.variant]] below a "
              "[[stage]]"},
        Wrong{"[[variant]]\nname = 'a'\n",
              "e.toml:6: variant 2: changes nothing; write tensors and format, or recipe, "
              "[[stage.variant.rule]], model, cache_k or cache_v"},
        Wrong{"[[variant]]\ntensors = 'all'\n", "e.toml:6: variant 2: no format; write format = \"bf16\""},
        Wrong{"[[variant]]\nformat = 'bf16'\n",
              "e.toml:7: variant 2: no tensors; write tensors = \"ffn_norm\", or \"all\" for every tensor"},
        Wrong{"[[variant]]\nlayers = '0'\nformat = []\n",
              "e.toml:8: variant 2: format: found an empty list, wanted values in it"},
        Wrong{"[[variant]]\nlayers = '0'\nformat = ['bf16', 'bf16']\n",
              "e.toml:8: variant 2: format: found the same value twice in the list"},
        Wrong{"[[variant]]\nlayers = '2-0'\nformat = 'bf16'\n",
              "e.toml:7: variant 2: layer selection '2-0': the range '2-0' at character 1 runs backwards; "
              "did you mean 0-2?"},
        Wrong{"[[variant]]\nlayers = '0'\nformat = 'bf16'\nmodel = 'b.gguf'\n",
              "e.toml:7: variant 2: model and layers exclude each other; leave one out\n"
              "e.toml:8: variant 2: model and format exclude each other; leave one out"},
        Wrong{"[[variant]]\nrecipe = 'wrong.toml'\n",
              "e.toml:7: variant 2: recipe: FOLDER/wrong.toml:1: rule 1 has no format; write format = "
              "\"bf16\", or \"f32\" to leave its tensors\n"
              "e.toml:7: variant 2: recipe: FOLDER/wrong.toml:2: rule 1: unknown key 'formt'; a rule holds "
              "tensors, layers, format, store; did you mean format?"},
        Wrong{"[[variant]]\ncache_k = 'q8_0'\nstore = 'auto'\n",
              "e.toml:8: variant 2: store is for variants that round weights"},
        Wrong{"[[variant]]\nname = '{layer}'\nlayers = '0'\nformat = 'f16'\n",
              "e.toml:7: variant 2: name: '{layer}' stands for nothing, wanted one of tensors, layers, "
              "format, store, recipe, model, cache_k, cache_v; did you mean layers?"},
        Wrong{"[[variant]]\nname = '{tensors}'\nlayers = '0'\nformat = 'f16'\n",
              "e.toml:7: variant 2: name: there is no tensors that '{tensors}' could stand for"},
        Wrong{"[[variant]]\nname = 'ffn_norm, bf16'\nlayers = '0'\nformat = 'f16'\n",
              "e.toml:6: variant 'ffn_norm, bf16': found twice, first in line 3, wanted once"},
        Wrong{"[[criterion]]\n",
              "e.toml:6: criterion 1: no name; write name = \"mean relative difference below 1 %\"\n"
              "e.toml:6: criterion 1: no check; write check = \"mean_rel < 0.01\", or judge = true where a "
              "person decides"},
        Wrong{"[[criterion]]\nname = 'a'\ncheck = 'kldd < 1'\n",
              "e.toml:8: criterion 1: condition 'kldd < 1': 'kldd' is no metric; docs/experiments.md lists "
              "them; did you mean kld?"},
        Wrong{
            "[[criterion]]\nname = 'a'\ncheck = 'kld < 1'\n",
            "e.toml:8: condition 'kld < 1': kld is not measured; write [[text]] and below it file = \"...\""},
        Wrong{"[[criterion]]\nname = 'a'\ncheck = 'texts_same == 1'\n",
              "e.toml:8: condition 'texts_same == 1': texts_same is not measured; write prompts = "
              "\"default\" in [measure], or [[prompt]]"},
        Wrong{"[[criterion]]\nname = 'a'\njudge = true\ncheck = 'loads == 1'\n",
              "e.toml:8: criterion 1: check and judge exclude each other; leave one out"},
        Wrong{"[[criterion]]\nname = 'a'\njudge = true\nstop = true\n",
              "e.toml:9: criterion 1: stop: what a person judges later stops nothing"},
        Wrong{"[[criterion]]\nname = 'a'\njudge = true\nstages = 'al'\n",
              "e.toml:9: criterion 1: stages: there is no stage 'al', wanted one of all; did you mean all?"},
        Wrong{"[settings]\nflash_attention = 'off'\ncache_v = 'q8_0'\n",
              "e.toml:8: settings: cache_v: q8_0 needs flash attention, found flash_attention = \"off\""},
        Wrong{"[settings]\ncontrol = 'bf61'\n",
              "e.toml:7: settings: format 'bf61': 'bf61' is no format; see `fakequant formats`; did you mean "
              "bf16?"},
        Wrong{"[limits]\nmemory = '0'\n",
              "e.toml:7: limits: memory: found '0', wanted a size such as \"500M\", \"2G\" or \"1GiB\""},
        Wrong{
            "[output]\nreport = ['htm']\n",
            "e.toml:7: output: report: found 'htm', wanted one of html, md, csv, json; did you mean html?"}));

}  // namespace
}  // namespace fakequant
