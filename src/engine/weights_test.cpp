#include "engine/weights.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/codec.h"
#include "engine/testing.h"

namespace fakequant {
namespace {

using namespace engine_testing;

std::vector<std::byte> read(const ModelWeights& weights, const std::string& name) {
  std::vector<std::byte> bytes(weights.bytes(name));
  weights.read(name, bytes);
  return bytes;
}

std::string string_of(std::span<const std::byte> bytes) {
  return gguf_testing::text_of(bytes);
}

// No output.weight: token_embd.weight, here of two million bytes, serves twice.
std::string tied_demo(float factor) {
  std::vector<std::byte> halves = demo_bytes("token_embd.weight");
  std::vector<float> values(halves.size() / 2);
  decode(TensorType::F16, halves, values);
  for (float& value : values) value *= factor;
  return demo_without({"token_embd.weight", "output.weight"}, [&](GgufBuilder& builder) {
    builder.add_tensor("token_embd.weight", static_cast<uint32_t>(TensorType::F32), {256, 2048},
                       string_of(std::as_bytes(std::span(values))));
  });
}

TEST(ModelWeights, AreThoseOfTheFileAllOfThem) {
  LoadedModel model = load();
  ModelWeights weights(model, 256);
  Model file = Model::open(kDemo);
  EXPECT_EQ(weights.names().size(), file.tensors().size());
  for (const Model::Located& tensor : file.tensors()) {
    const std::string& name = tensor.info->name;
    ASSERT_TRUE(weights.contains(name)) << name;
    EXPECT_EQ(weights.type(name), tensor.info->type) << name;
    ASSERT_EQ(weights.bytes(name), tensor.info->data_bytes) << name;
    EXPECT_EQ(string_of(read(weights, name)), string_of(file.data_of(tensor))) << name;
  }
  EXPECT_FALSE(weights.contains("blk.6.ffn_norm.weight"));
  std::vector<std::string> names = weights.names();
  EXPECT_TRUE(std::ranges::is_sorted(names));
}

TEST(ModelWeights, AreThoseOfTheContext) {
  TestFolder folder;
  LoadedModel model = load(folder.write("long.gguf", demo_with_rope_factors()));
  for (int context : {2, 256, 257, 512}) {
    ModelWeights weights(model, context);
    EXPECT_EQ(weights.contains("rope_factors_short.weight"), context <= 256) << context;
    EXPECT_EQ(weights.contains("rope_factors_long.weight"), context > 256) << context;
    EXPECT_EQ(weights.names().size(), 58U) << context;
  }
}

TEST(ModelWeights, ExchangedTwiceAreWhatTheyWere) {
  LoadedModel model = load();
  ModelWeights weights(model, 256);
  std::vector<float> logits = chunk_logits(model);
  for (const std::string& name : weights.names()) {
    std::vector<std::byte> before = read(weights, name);
    std::vector<std::byte> other = before;
    for (size_t i = 0; i < other.size(); ++i) other[i] ^= static_cast<std::byte>(i * 7 + 1);
    const std::vector<std::byte> wanted = other;
    weights.exchange(name, other);
    EXPECT_TRUE(read(weights, name) == wanted) << name;
    EXPECT_TRUE(other == before) << name;
    weights.exchange(name, other);
    EXPECT_TRUE(read(weights, name) == before) << name;
    EXPECT_TRUE(other == wanted) << name;
  }
  EXPECT_EQ(chunk_logits(model), logits);
}

TEST(ModelWeights, OfTiedEmbeddingsServeBothEnds) {
  TestFolder folder;
  std::string halved = folder.write("halved.gguf", tied_demo(0.5F));
  std::vector<float> wanted = chunk_logits(load(halved));
  LoadedModel model = load(folder.write("tied.gguf", tied_demo(1)));
  std::vector<float> before = chunk_logits(model);
  EXPECT_NE(before, wanted);

  ModelWeights weights(model, 256);
  EXPECT_FALSE(weights.contains("output.weight"));
  std::vector<std::byte> bytes = read(weights, "token_embd.weight");
  ASSERT_EQ(bytes.size(), size_t{2} << 20);  // more than is exchanged at a time
  const std::vector<std::byte> unscaled = bytes;
  bytes = scaled_f32(std::move(bytes), 0.5F);
  weights.exchange("token_embd.weight", bytes);
  EXPECT_TRUE(bytes == unscaled);
  EXPECT_EQ(chunk_logits(model), wanted);
  weights.exchange("token_embd.weight", bytes);
  EXPECT_EQ(chunk_logits(model), before);
}

TEST(ModelWeightsDeathTest, SizesNamesAndContextsAreChecked) {
  LoadedModel model = load();
  ModelWeights weights(model, 256);
  std::vector<std::byte> bytes(weights.bytes("output_norm.weight") - 1);
  EXPECT_DEATH(weights.read("output_norm.weight", bytes), "bytes.size");
  EXPECT_DEATH(weights.exchange("output_norm.weight", bytes), "bytes.size");
  EXPECT_DEATH(weights.type("output_norm"), "found");
  EXPECT_DEATH(ModelWeights(model, 1), "kTokens");
  LoadedModel repacked = LoadedModel::load({kDemo}, {.repack = true}, LoadedModel::Weights::loaded);
  EXPECT_DEATH(ModelWeights(repacked, 256), "is_repacked");
}

}  // namespace
}  // namespace fakequant
