#pragma once
// For tests only: the demo model and variations of its file, and the logits that a loaded model gives for the same
// tokens.

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "engine/chunk_decoder.h"
#include "gguf/shards.h"
#include "gguf/testing.h"

namespace fakequant::engine_testing {

using gguf_testing::GgufBuilder;
using gguf_testing::TestFolder;

inline const std::string kDemo = std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf";

inline LoadedModel load(const std::string& path = kDemo,
                        LoadedModel::Weights weights = LoadedModel::Weights::loaded) {
  return LoadedModel::load({path}, {}, weights);
}

// The bytes of a file as the demo model's, with the metadata and tensors of these names left out and what `add` adds.
inline std::string demo_without(const std::vector<std::string>& names,
                                const std::function<void(GgufBuilder&)>& add = {}) {
  auto is_left_out = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  Model model = Model::open(kDemo);
  GgufBuilder builder;
  for (const MetadataEntry& entry : model.shards()[0].metadata()) {
    size_t head = sizeof(uint64_t) + entry.key.size() + sizeof(uint32_t);
    if (is_left_out(entry.key)) continue;
    builder.add_raw(entry.key, static_cast<uint32_t>(entry.type),
                    gguf_testing::text_of(entry.encoded.subspan(head)));
  }
  for (const Model::Located& tensor : model.tensors()) {
    if (is_left_out(tensor.info->name)) continue;
    builder.add_tensor(tensor.info->name, static_cast<uint32_t>(tensor.info->type), tensor.info->shape,
                       gguf_testing::text_of(model.data_of(tensor)));
  }
  if (add) add(builder);
  return builder.build();
}

// The demo with factors for its positions of which those of short contexts count up to 256 tokens, and those of long ones beyond.
inline std::string demo_with_rope_factors() {
  std::string factors;
  for (int i = 0; i < 16; ++i) factors += gguf_testing::bytes_of(1.3F);
  return demo_without({}, [&](GgufBuilder& builder) {
    builder.add("llama.rope.scaling.type", std::string_view("longrope"));
    builder.add("llama.rope.scaling.original_context_length", uint32_t{256});
    builder.add_tensor("rope_factors_long.weight", static_cast<uint32_t>(TensorType::F32), {16}, factors);
    builder.add_tensor("rope_factors_short.weight", static_cast<uint32_t>(TensorType::F32), {16}, factors);
  });
}

// A tensor's bytes as the demo's file stores them.
inline std::vector<std::byte> demo_bytes(std::string_view name) {
  Model model = Model::open(kDemo);
  for (const Model::Located& tensor : model.tensors()) {
    if (tensor.info->name != name) continue;
    std::span<const std::byte> bytes = model.data_of(tensor);
    return {bytes.begin(), bytes.end()};
  }
  throw Error("no tensor '{}'", name);
}

// Bytes of F32 values, all of them multiplied.
inline std::vector<std::byte> scaled_f32(std::vector<std::byte> bytes, float factor) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    value *= factor;
    std::memcpy(bytes.data() + i, &value, sizeof value);
  }
  return bytes;
}

// The logits of the second half of a chunk, the same tokens for equal vocabularies.
inline std::vector<float> chunk_logits(const LoadedModel& model, int context = 32) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < context; ++i) tokens.push_back((i * 37 + 300) % model.vocabulary_size());
  DecodeOptions options;
  options.context = context;
  options.batch = context;
  ChunkDecoder decoder(model, options);
  std::vector<float> result;
  decoder.decode(tokens,
                 [&](size_t, std::span<const float> logits) { result.assign(logits.begin(), logits.end()); });
  return result;
}

}  // namespace fakequant::engine_testing
