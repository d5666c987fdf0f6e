#include "engine/token_sampler.h"

#include <llama.h>

#include <limits>

#include "base/error.h"

namespace fakequant {

namespace {

// llama-completion's defaults.
constexpr int32_t kTopK = 40;
constexpr float kTopP = 0.95F;
constexpr float kMinP = 0.05F;
constexpr size_t kMinKeep = 0;

std::vector<llama_logit_bias> suppressed_tokens(const llama_vocab* vocabulary) {
  int32_t count = 0;
  const llama_token* tokens = llama_vocab_get_suppress_tokens(vocabulary, &count);
  std::vector<llama_logit_bias> result;
  for (int32_t i = 0; i < count; ++i) result.push_back({tokens[i], -std::numeric_limits<float>::infinity()});
  return result;
}

}  // namespace

void TokenSampler::Free::operator()(llama_sampler* sampler) const {
  llama_sampler_free(sampler);
}

TokenSampler::TokenSampler(const LoadedModel& model, const Sampling& sampling) {
  FQ_CHECK(sampling.temperature >= 0 && sampling.seed <= kMaxSeed);
  chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  std::vector<llama_logit_bias> suppressed = suppressed_tokens(llama_model_get_vocab(model.get()));
  if (!suppressed.empty()) {
    llama_sampler_chain_add(chain_.get(), llama_sampler_init_logit_bias(
                                              model.vocabulary_size(),
                                              static_cast<int32_t>(suppressed.size()), suppressed.data()));
  }
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_k(kTopK));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_top_p(kTopP, kMinKeep));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_min_p(kMinP, kMinKeep));
  llama_sampler_chain_add(chain_.get(),
                          llama_sampler_init_temp_ext(static_cast<float>(sampling.temperature), 0, 1));
  llama_sampler_chain_add(chain_.get(), llama_sampler_init_dist(sampling.seed));
}

TokenSampler::~TokenSampler() = default;

int32_t TokenSampler::pick(std::span<const float> logits) {
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) candidates_[i] = {static_cast<int32_t>(i), logits[i], 0};
  llama_token_data_array array{candidates_.data(), candidates_.size(), -1, false};
  llama_sampler_apply(chain_.get(), &array);
  FQ_CHECK(array.selected >= 0 && static_cast<size_t>(array.selected) < array.size);
  int32_t token = array.data[array.selected].id;
  llama_sampler_accept(chain_.get(), token);
  return token;
}

}  // namespace fakequant
