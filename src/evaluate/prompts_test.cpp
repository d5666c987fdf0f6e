#include "evaluate/prompts.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "select/toml_guard.h"

namespace fakequant {
namespace {

std::string prompts_error(const std::string& text) {
  try {
    parse_prompts(text, "p.toml");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// "temperature/seed/tokens" of each run.
std::vector<std::string> settings(const std::string& text) {
  std::vector<std::string> result;
  for (const PromptRun& run : parse_prompts(text, "p.toml"))
    result.push_back(
        fmt::format("{} {:g}/{}/{}", run.prompt, run.sampling.temperature, run.sampling.seed, run.tokens));
  return result;
}

TEST(DefaultPrompts, AreFiveAtFourTemperatures) {
  std::vector<PromptRun> runs = default_prompts();
  ASSERT_EQ(runs.size(), 35U);
  std::set<std::string> prompts;
  for (const PromptRun& run : runs) {
    prompts.insert(run.prompt);
    EXPECT_EQ(run.tokens, 64);
    EXPECT_TRUE(run.sampling.temperature > 0 || run.sampling.seed == 42);
  }
  EXPECT_EQ(prompts.size(), 5U);
  EXPECT_TRUE(prompts.contains("你好，请介绍一下你自己。"));
  EXPECT_EQ(runs[0].prompt, "Hello");
  EXPECT_EQ(runs[6].sampling.temperature, 0.8);
  EXPECT_EQ(runs[6].sampling.seed, 123U);
}

TEST(ParsePrompts, APromptAloneGetsTheDefaults) {
  EXPECT_EQ(settings("[[prompt]]\nprompt = 'a'"),
            (std::vector<std::string>{"a 0/42/64", "a 0.1/42/64", "a 0.1/123/64", "a 0.7/42/64",
                                      "a 0.7/123/64", "a 0.8/42/64", "a 0.8/123/64"}));
}

TEST(ParsePrompts, ListsMeanEveryCombination) {
  EXPECT_EQ(settings("[[prompt]]\nprompt = ['a', 'b']\ntemperature = [0, 1]\nseed = [5, 6]\ntokens = [7, 8]"),
            (std::vector<std::string>{"a 0/5/7", "a 0/5/8", "a 1/5/7", "a 1/5/8", "a 1/6/7", "a 1/6/8",
                                      "b 0/5/7", "b 0/5/8", "b 1/5/7", "b 1/5/8", "b 1/6/7", "b 1/6/8"}));
  EXPECT_EQ(settings("[[prompt]]\nprompt = 'a'\ntemperature = 0.5\nseed = 4294967294\ntokens = 1\n"
                     "[[prompt]]\nprompt = ''\ntemperature = 0"),
            (std::vector<std::string>{"a 0.5/4294967294/1", " 0/42/64"}));
}

TEST(ParsePrompts, ReportsEveryProblemAtOnce) {
  EXPECT_EQ(prompts_error("[[prompt]]\npromt = 'a'\ntemperature = '0'\nseed = 4294967295\n\n"
                          "[[prompt]]\nprompt = 3\ntokens = [1, 0, 1]\nseed = []\ntemperature = [nan, 101]\n"
                          "[[prompts]]\n"),
            "p.toml:1: prompt 1: no text; write prompt = \"...\"\n"
            "p.toml:2: prompt 1: unknown key 'promt'; a prompt holds prompt, temperature, seed, tokens; did "
            "you mean prompt?\n"
            "p.toml:3: prompt 1: temperature: found a string, wanted a number\n"
            "p.toml:4: prompt 1: seed: found 4294967295, wanted a whole number from 0 to 4294967294\n"
            "p.toml:7: prompt 2: prompt: found an integer, wanted a string in quotes\n"
            "p.toml:8: prompt 2: tokens: found 0, wanted a whole number from 1 to 1000000\n"
            "p.toml:8: prompt 2: tokens: found the same value twice in the list\n"
            "p.toml:9: prompt 2: seed: found an empty list, wanted values in it\n"
            "p.toml:10: prompt 2: temperature: found nan, wanted a number from 0 to 100\n"
            "p.toml:10: prompt 2: temperature: found 101, wanted a number from 0 to 100\n"
            "p.toml:11: unknown key 'prompts'; a file of prompts holds [[prompt]] tables only; did you mean "
            "prompt?");
}

TEST(ParsePrompts, AFileWithoutPromptsIsAnError) {
  std::string text = "no prompts; write [[prompt]] and below it prompt = \"...\"";
  EXPECT_EQ(prompts_error(""), "p.toml: " + text);
  EXPECT_EQ(prompts_error("prompt = []"), "p.toml:1: 'prompt' is an empty list; write [[prompt]] for each");
  EXPECT_EQ(prompts_error("prompt = 'Hello'"),
            "p.toml:1: 'prompt' is no list of tables; write [[prompt]] with two brackets");
  EXPECT_EQ(prompts_error("prompt = ['Hello']"), "p.toml:1: prompt 1 is no table; write [[prompt]]");
}

TEST(ParsePrompts, RefusesWhatIsNoTomlAndWhatIsTooMuch) {
  EXPECT_EQ(prompts_error("[[prompt]]\nprompt = Hello").find("p.toml:2: "), 0U);
  EXPECT_NE(prompts_error("[[prompt]]\nprompt = \"\"\"é\"\"\"").find("single quotes"), std::string::npos);
  EXPECT_EQ(prompts_error(std::string(kMaxTomlBytes + 1, '\n')),
            "prompts file p.toml is larger than 1.000 MiB, the most that is read");
  std::string seeds = "[0";
  for (int i = 1; i < 10'001; ++i) seeds += fmt::format(",{}", i);
  EXPECT_EQ(
      prompts_error("[[prompt]]\nprompt = 'a'\ntemperature = 1\nseed = " + seeds + "]"),
      "p.toml: found 10001 combinations of prompts, temperatures, seeds and tokens, wanted at most 10,000");
}

TEST(LoadPrompts, NamesAFileThatItCannotRead) {
  try {
    load_prompts("/nonexistent/p.toml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot read prompts file /nonexistent/p.toml: No such file or directory");
  }
}

}  // namespace
}  // namespace fakequant
