#pragma once
// For tests only: the demo model in memory, tokens of its text, decoders and changes of its weights.

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/testing.h"
#include "evaluate/corpus.h"
#include "evaluate/variant.h"

namespace fakequant::evaluate_testing {

using engine_testing::kDemo;

constexpr int kContext = 32;

// One for all tests of a program: each leaves its weights as they were.
inline RunningModel& running() {
  static RunningModel model(engine_testing::load());
  return model;
}

inline ModelWeights& weights() {
  static ModelWeights result(running().model, kContext);
  return result;
}

// The first tokens of the demo's held-out text.
inline std::vector<int32_t> text_tokens(size_t count) {
  static const std::vector<int32_t> tokens = running().model.tokenize(
      read_text(std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-wordnet-heldout.txt").substr(0, 20'000));
  FQ_CHECK(count <= tokens.size());
  return {tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(count)};
}

// Decoders of chunks of kContext tokens, `group_size` of them at a time.
inline std::vector<std::unique_ptr<ChunkDecoder>> make_decoders(size_t count, int group_size,
                                                                const LoadedModel& model = running().model) {
  DecodeOptions options;
  options.context = kContext;
  options.batch = kContext * group_size;
  std::vector<std::unique_ptr<ChunkDecoder>> decoders;
  for (size_t i = 0; i < count; ++i) decoders.push_back(std::make_unique<ChunkDecoder>(model, options));
  return decoders;
}

// A norm of the demo with all of its values multiplied by `factor`.
inline std::vector<WeightChange> scaled(const std::string& norm, float factor) {
  return {{norm, engine_testing::scaled_f32(engine_testing::demo_bytes(norm), factor)}};
}

}  // namespace fakequant::evaluate_testing
