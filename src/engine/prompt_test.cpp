#include "engine/prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/testing.h"

namespace fakequant {
namespace {

const LoadedModel& demo() {
  static const LoadedModel model = LoadedModel::load(
      {std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf"}, {}, LoadedModel::Weights::planned);
  return model;
}

const std::string kChinese = "\u4F60\u597D";

TEST(PromptTokens, BeginWithBosAndKnowSpecialWords) {
  std::vector<int32_t> tokens = prompt_tokens(demo(), "a</s>tree");
  EXPECT_EQ(tokens.front(), demo().bos());
  EXPECT_LT(tokens.size(), demo().tokenize("a</s>tree").size()) << "</s> is one token";
  EXPECT_EQ(prompt_tokens(demo(), "tree"), demo().tokenize("tree"));
  EXPECT_EQ(prompt_tokens(demo(), "").size(), 1U);
}

TEST(DifferingEnd, IsTheFirstTokenThatEndsATextOfOneModelOnly) {
  gguf_testing::TestFolder folder;
  auto with_end = [&](uint32_t token) {
    std::string bytes = engine_testing::demo_without(
        {"tokenizer.ggml.eos_token_id"},
        [&](gguf_testing::GgufBuilder& builder) { builder.add("tokenizer.ggml.eos_token_id", token); });
    return engine_testing::load(folder.write("end.gguf", bytes), LoadedModel::Weights::planned);
  };
  EXPECT_EQ(differing_end(demo(), with_end(2)), std::nullopt);
  EXPECT_EQ(differing_end(demo(), with_end(1990)), 1990);
  EXPECT_EQ(differing_end(with_end(1990), demo()), 1990);
  EXPECT_EQ(differing_end(with_end(1990), with_end(1991)), 1990);
}

TEST(TextOf, JoinsPiecesAsBytes) {
  std::vector<int32_t> tokens = prompt_tokens(demo(), kChinese);
  // The demo's vocabulary has no Chinese characters: each is three tokens of a byte.
  ASSERT_GE(tokens.size(), 7U);
  std::string last = piece_of(demo(), tokens.back());
  ASSERT_EQ(last.size(), 1U);
  std::string text = text_of(demo(), tokens);
  EXPECT_EQ(text.substr(text.size() - kChinese.size()), kChinese);
}

TEST(TextOf, ReplacesACharacterThatIsCutShort) {
  std::vector<int32_t> tokens = prompt_tokens(demo(), kChinese);
  tokens.pop_back();
  std::string text = text_of(demo(), tokens);
  EXPECT_EQ(text.substr(text.size() - 6), kChinese.substr(0, 3) + "\uFFFD");
  tokens.pop_back();
  text = text_of(demo(), tokens);
  EXPECT_EQ(text.substr(text.size() - 6), kChinese.substr(0, 3) + "\uFFFD");
  tokens.pop_back();
  text = text_of(demo(), tokens);
  EXPECT_EQ(text.substr(text.size() - 3), kChinese.substr(0, 3));
}

TEST(NameOfToken, ShowsSpecialTokens) {
  EXPECT_EQ(piece_of(demo(), demo().bos()), "");
  EXPECT_NE(name_of_token(demo(), demo().bos()), "");
}

TEST(EndsText, KnowsTheEnd) {
  EXPECT_FALSE(ends_text(demo(), prompt_tokens(demo(), "tree").back()));
  EXPECT_TRUE(ends_text(demo(), prompt_tokens(demo(), "</s>").back()));
}

TEST(ChatPrompt, SaysThatThereIsNoTemplate) {
  try {
    chat_prompt(demo(), "Hello");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no chat template"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace fakequant
