#include "engine/model.h"

#include <gtest/gtest.h>

#include "engine/testing.h"

namespace fakequant {
namespace {

using namespace engine_testing;

constexpr size_t kTokens = 2048;

std::vector<std::string> demo_tokens() {
  Model model = Model::open(kDemo);
  std::span<const std::byte> value = model.shards()[0].find("tokenizer.ggml.tokens")->value;
  std::vector<std::string> tokens;
  for (size_t at = 0; at < value.size();) {
    uint64_t length;
    std::memcpy(&length, value.data() + at, sizeof length);
    tokens.push_back(gguf_testing::text_of(value.subspan(at + sizeof length, length)));
    at += sizeof length + length;
  }
  return tokens;
}

// The demo with another text for one of its tokens.
std::string demo_with_token(size_t changed, const std::string& text) {
  std::vector<std::string> tokens = demo_tokens();
  tokens[changed] = text;
  return demo_without({"tokenizer.ggml.tokens"}, [&](GgufBuilder& builder) {
    builder.add_array<std::string>("tokenizer.ggml.tokens", 8, tokens);
  });
}

// The demo without its last token.
std::string shorter_demo() {
  const std::vector<std::string> numbers = {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"};
  const std::vector<std::string> matrices = {"token_embd.weight", "output.weight"};
  std::vector<std::string> names = {"tokenizer.ggml.tokens", "llama.vocab_size"};
  names.insert(names.end(), numbers.begin(), numbers.end());
  names.insert(names.end(), matrices.begin(), matrices.end());
  return demo_without(names, [&](GgufBuilder& builder) {
    std::vector<std::string> tokens = demo_tokens();
    tokens.pop_back();
    builder.add_array<std::string>("tokenizer.ggml.tokens", 8, tokens);
    Model model = Model::open(kDemo);
    for (const std::string& name : numbers) {
      const MetadataEntry* entry = model.shards()[0].find(name);
      std::span<const std::byte> values = entry->value.first(entry->value.size() - sizeof(float));
      builder.add_raw(name, 9,
                      gguf_testing::bytes_of(static_cast<uint32_t>(entry->element_type)) +
                          gguf_testing::bytes_of(uint64_t{kTokens - 1}) + gguf_testing::text_of(values));
    }
    for (const std::string& name : matrices) {
      std::vector<std::byte> bytes = demo_bytes(name);
      bytes.resize(bytes.size() / kTokens * (kTokens - 1));
      builder.add_tensor(name, static_cast<uint32_t>(TensorType::F16), {256, kTokens - 1},
                         gguf_testing::text_of(bytes));
    }
  });
}

class Vocabularies : public testing::Test {
 protected:
  // What the demo's vocabulary is told to differ in from that of a file of these bytes.
  std::optional<std::string> difference(const std::string& bytes) {
    return demo_.vocabulary_difference(
        load(folder_.write("other.gguf", bytes), LoadedModel::Weights::planned));
  }

  TestFolder folder_;
  LoadedModel demo_ = load(kDemo, LoadedModel::Weights::planned);
};

TEST_F(Vocabularies, AreEqualWhateverTheWeights) {
  EXPECT_EQ(demo_.vocabulary_difference(demo_), std::nullopt);
  EXPECT_EQ(difference(demo_without({"output.weight", "general.name"})), std::nullopt);
}

TEST_F(Vocabularies, DifferInTheirNumberOfTokens) {
  EXPECT_EQ(difference(shorter_demo()), "2,048 tokens against 2,047");
}

TEST_F(Vocabularies, DifferInAToken) {
  EXPECT_EQ(difference(demo_with_token(kTokens - 1, "xyz\n")).value_or(""),
            "token 2047 is '" + demo_tokens().back() + "' against 'xyz\\x0a'");
  EXPECT_EQ(difference(demo_with_token(0, "<what>")), "token 0 is '<unk>' against '<what>'");
}

TEST_F(Vocabularies, DifferInHowATextBegins) {
  const std::string said = "they begin a text differently (BOS)";
  auto with_bos = [](uint32_t token) {
    return demo_without({"tokenizer.ggml.bos_token_id"},
                        [token](GgufBuilder& builder) { builder.add("tokenizer.ggml.bos_token_id", token); });
  };
  auto adding = [](bool adds, uint32_t token) {
    return demo_without({"tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id"},
                        [adds, token](GgufBuilder& builder) {
                          builder.add("tokenizer.ggml.bos_token_id", token);
                          builder.add_raw("tokenizer.ggml.add_bos_token", 7,
                                          gguf_testing::bytes_of(static_cast<uint8_t>(adds)));
                        });
  };
  EXPECT_EQ(difference(with_bos(1)), std::nullopt);
  EXPECT_EQ(difference(with_bos(2)), said);
  EXPECT_EQ(difference(adding(false, 1)), said);
  // What BOS would be does not matter to two models that put none before a text.
  LoadedModel none = load(folder_.write("none.gguf", adding(false, 1)), LoadedModel::Weights::planned);
  LoadedModel other = load(folder_.write("none2.gguf", adding(false, 2)), LoadedModel::Weights::planned);
  EXPECT_EQ(none.vocabulary_difference(other), std::nullopt);
}

}  // namespace
}  // namespace fakequant
