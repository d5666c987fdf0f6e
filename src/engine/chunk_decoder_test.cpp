#include "engine/chunk_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace fakequant {
namespace {

const std::string kDemo = std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf";
constexpr int kContext = 32;

LoadedModel demo(LoadedModel::Weights weights = LoadedModel::Weights::loaded) {
  return LoadedModel::load({kDemo}, {}, weights);
}

std::vector<int32_t> three_chunks(const LoadedModel& model) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "a tall woody plant with number " + std::to_string(i * 37) + "; ";
  std::vector<int32_t> tokens = model.tokenize(text);
  EXPECT_GE(tokens.size(), size_t{3} * kContext);
  tokens.resize(size_t{3} * kContext);
  return tokens;
}

// The logits of every chunk, decoded in groups as large as `options` allow.
std::vector<std::vector<float>> logits_of(const LoadedModel& model, const DecodeOptions& options,
                                          std::span<const int32_t> tokens) {
  ChunkDecoder decoder(model, options);
  auto context = static_cast<size_t>(options.context);
  std::vector<std::vector<float>> result;
  for (size_t start = 0; start < tokens.size(); start += decoder.group_size() * context) {
    size_t count = std::min(decoder.group_size() * context, tokens.size() - start);
    decoder.decode(tokens.subspan(start, count), [&](size_t, std::span<const float> logits) {
      result.emplace_back(logits.begin(), logits.end());
    });
  }
  return result;
}

TEST(LoadedModel, KnowsItsVocabularyWithoutItsWeights) {
  LoadedModel model = demo();
  LoadedModel planned = demo(LoadedModel::Weights::planned);
  EXPECT_EQ(planned.training_context(), 256);
  EXPECT_EQ(planned.vocabulary_size(), model.vocabulary_size());
  EXPECT_EQ(planned.adds_bos(), model.adds_bos());
  std::string text = "tree: a tall \xE4\xB8\xAD \xFF </s>";
  EXPECT_EQ(planned.tokenize(text), model.tokenize(text));
}

TEST(LoadedModel, RefusalIsOneLineWithLlamasWords) {
  try {
    LoadedModel::load({std::string(FAKEQUANT_SOURCE_DIR) + "/README.md"}, {}, LoadedModel::Weights::loaded);
    FAIL();
  } catch (const Error& error) {
    std::string text = error.what();
    EXPECT_NE(text.find("README.md: llama.cpp refuses this model: "), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST(ChunkDecoder, HandsOnTheSecondHalfOfEveryChunkWhateverTheBatch) {
  LoadedModel model = demo();
  std::vector<int32_t> tokens = three_chunks(model);
  DecodeOptions options;
  options.context = kContext;
  // All at once, some, one, in pieces of a chunk.
  for (int batch : {2048, 2 * kContext, kContext, kContext / 2, 7}) {
    options.batch = batch;
    std::vector<std::vector<float>> found = logits_of(model, options, tokens);
    ASSERT_EQ(found.size(), 3U) << batch;
    for (const std::vector<float>& logits : found) {
      EXPECT_EQ(logits.size(), static_cast<size_t>(kContext / 2 * model.vocabulary_size())) << batch;
    }
  }
}

TEST(ChunkDecoder, LogitsDoNotDependOnThreadsAndWhatWasBefore) {
  LoadedModel model = demo();
  std::vector<int32_t> tokens = three_chunks(model);
  DecodeOptions options;
  options.context = kContext;
  options.batch = kContext;
  std::vector<std::vector<float>> wanted = logits_of(model, options, tokens);
  std::vector<std::vector<float>> last = logits_of(model, options, std::span(tokens).last(kContext));
  EXPECT_EQ(last[0], wanted[2]);
  options.threads = 2;
  EXPECT_EQ(logits_of(model, options, tokens), wanted);
}

TEST(ChunkDecoder, EveryChunkBeginsWithBos) {
  LoadedModel model = demo();
  ASSERT_TRUE(model.adds_bos());
  std::vector<int32_t> tokens = three_chunks(model);
  DecodeOptions options;
  options.context = kContext;
  std::vector<std::vector<float>> wanted = logits_of(model, options, tokens);
  for (size_t chunk = 0; chunk < 3; ++chunk) tokens[chunk * kContext] = 5;  // whatever it is
  EXPECT_EQ(logits_of(model, options, tokens), wanted);
  tokens[1] = tokens[1] == 7 ? 8 : 7;
  EXPECT_NE(logits_of(model, options, tokens), wanted);
}

TEST(ChunkDecoder, TellsTheSameMemoryBeforeAndAfterLoading) {
  LoadedModel model = demo();
  LoadedModel planned = demo(LoadedModel::Weights::planned);
  DecodeOptions options;
  options.context = kContext;
  ChunkDecoder::Memory memory = ChunkDecoder(model, options).memory();
  EXPECT_GT(memory.weights, 9'000'000U);
  EXPECT_GT(memory.working, 1'000'000U);
  ChunkDecoder::Memory before = ChunkDecoder(planned, options).memory();
  EXPECT_EQ(before.weights, memory.weights);
  EXPECT_EQ(before.working, memory.working);
}

TEST(ChunkDecoder, RefusesWhatLlamaRefuses) {
  LoadedModel model = demo();
  DecodeOptions options;
  options.flash_attention = FlashAttention::off;
  options.cache_v = TensorType::Q8_0;
  EXPECT_THROW(ChunkDecoder(model, options), Error);
  options = {};
  options.context = 4;  // 512 sequences
  EXPECT_THROW(ChunkDecoder(model, options), Error);
}

TEST(CacheTypes, WorkAll) {
  LoadedModel model = demo();
  std::vector<int32_t> tokens = three_chunks(model);
  DecodeOptions options;
  options.context = kContext;
  options.flash_attention = FlashAttention::on;
  for (TensorType type : cache_types()) {
    options.cache_k = type;
    options.cache_v = type;
    EXPECT_EQ(logits_of(model, options, tokens).size(), 3U) << name_of(type);
  }
}

}  // namespace
}  // namespace fakequant
