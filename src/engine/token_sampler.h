#pragma once
// Picks the next token from logits as llama-completion does unless told otherwise. Knows no texts.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/model.h"

struct llama_sampler;
struct llama_token_data;

namespace fakequant {

struct Sampling {
  double temperature = 0.8;  // at least 0; 0 always takes the most likely token
  uint32_t seed = 42;        // at most kMaxSeed

  bool operator==(const Sampling&) const = default;
};

// Above it llama.cpp takes a random seed.
inline constexpr uint32_t kMaxSeed = 0xFFFFFFFE;

// llama-completion's chain of samplers with its defaults: tokens that the model suppresses are left out, then top-k
// 40, top-p 0.95, min-p 0.05, temperature, and a draw; its other samplers do nothing by default. Temperatures are
// rounded to F32, as there. The draws are a sequence: one sampler makes one text.
class TokenSampler {
 public:
  TokenSampler(const LoadedModel& model, const Sampling& sampling);
  ~TokenSampler();
  TokenSampler(const TokenSampler&) = delete;
  TokenSampler& operator=(const TokenSampler&) = delete;

  // `logits` has one finite value for each token of the vocabulary, or -Inf.
  int32_t pick(std::span<const float> logits);

 private:
  struct Free {
    void operator()(llama_sampler* sampler) const;
  };
  std::unique_ptr<llama_sampler, Free> chain_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace fakequant
