#include "engine/text_generator.h"

#include <fmt/format.h>
#include <llama-ext.h>
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "engine/guard.h"
#include "engine/llama_context.h"
#include "engine/llama_log.h"
#include "engine/non_finite.h"
#include "engine/prompt.h"

namespace fakequant {

TextGenerator::TextGenerator(const LoadedModel& model, const DecodeOptions& options)
    : model_(model), batch_(std::min(options.batch, options.context)) {
  FQ_CHECK(options.context >= 1 && options.batch >= 1 && options.threads >= 1);
  llama_ = std::make_unique<LlamaContext>(model, options, ContextSize{options.context, batch_, 1});
}

TextGenerator::~TextGenerator() = default;

int TextGenerator::context() const {
  return static_cast<int>(llama_n_ctx(llama_->get()));
}

uint64_t TextGenerator::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [buffer_type, part] : llama_get_memory_breakdown(llama_->get())) {
    if (ggml_backend_buft_is_host(buffer_type)) bytes += part.context + part.compute;
  }
  return bytes;
}

void TextGenerator::clear() {
  llama_memory_clear(llama_get_memory(llama_->get()), true);
  read_ = 0;
}

void TextGenerator::decode_batch(std::span<const int32_t> tokens, size_t first_output) {
  llama_batch& batch = llama_->batch();
  FQ_CHECK(tokens.size() <= static_cast<size_t>(batch_) &&
           read_ + static_cast<int>(tokens.size()) <= context());
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = read_ + static_cast<int>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = i >= first_output ? 1 : 0;
  }
  batch.n_tokens = static_cast<int32_t>(tokens.size());
  LlamaLog log;
  CrashGuard guard(model_.path(), "running it");
  int result = llama_decode(llama_->get(), batch);
  if (result != 0)
    throw Error("{}", llama_failure(model_.path(), fmt::format("llama_decode failed ({})", result), log));
  read_ += batch.n_tokens;
}

std::span<const float> TextGenerator::logits_at(size_t batch_index) const {
  const float* logits = llama_get_logits_ith(llama_->get(), static_cast<int32_t>(batch_index));
  FQ_CHECK(logits != nullptr);
  std::span<const float> result{logits, static_cast<size_t>(model_.vocabulary_size())};
  // -Inf is a token that can never come; that some architectures give.
  auto is_no_logit = [](float x) { return !(x < std::numeric_limits<float>::infinity()); };
  auto found = std::find_if(result.begin(), result.end(), is_no_logit);
  if (found != result.end() || result[largest(result)] == -std::numeric_limits<float>::infinity()) {
    throw NonFiniteError("{}: after {} of a text: found {} among the logits, wanted finite numbers",
                         printable(model_.path()), counted(static_cast<uint64_t>(read_), "token"),
                         found == result.end() ? "only -Inf" : (std::isnan(*found) ? "NaN" : "Inf"));
  }
  return result;
}

std::span<const float> TextGenerator::read(std::span<const int32_t> tokens) {
  FQ_CHECK(!tokens.empty());
  auto most = static_cast<size_t>(batch_);
  while (tokens.size() > most) {
    decode_batch(tokens.first(most), most);
    tokens = tokens.subspan(most);
  }
  decode_batch(tokens, tokens.size() - 1);
  return logits_at(tokens.size() - 1);
}

GeneratedTokens TextGenerator::generate(std::span<const int32_t> prompt, const Sampling& sampling, int most) {
  if (prompt.size() >= static_cast<size_t>(context())) {
    throw Error(
        "{}: found a prompt of {}, wanted at most {}: what the model was trained on, less one token to make",
        printable(model_.path()), counted(prompt.size(), "token"),
        format_count(static_cast<uint64_t>(context() - 1)));
  }
  CrashGuard guard(model_.path(), "making a text");
  clear();
  TokenSampler sampler(model_, sampling);
  GeneratedTokens result;
  std::span<const int32_t> unread = prompt;
  while (static_cast<int>(result.tokens.size()) < most &&
         read_ + static_cast<int>(unread.size()) < context()) {
    std::span<const float> logits = read(unread);
    int32_t token = sampler.pick(logits);
    result.top_count += logits[static_cast<size_t>(token)] == logits[largest(logits)] ? 1 : 0;
    result.tokens.push_back(token);
    if (ends_text(model_, token)) {
      result.ended = true;
      break;
    }
    unread = std::span(result.tokens).last(1);
  }
  return result;
}

std::vector<int32_t> TextGenerator::most_likely(std::span<const int32_t> prompt,
                                                std::span<const int32_t> continuation) {
  FQ_CHECK(!prompt.empty());
  clear();
  std::vector<int32_t> result;
  if (continuation.empty()) return result;
  // The last token is not read: nothing is asked of what follows it.
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  tokens.insert(tokens.end(), continuation.begin(), continuation.end() - 1);
  size_t first_output = prompt.size() - 1;
  auto most = static_cast<size_t>(batch_);
  for (size_t start = 0; start < tokens.size(); start += most) {
    size_t count = std::min(most, tokens.size() - start);
    size_t output = std::clamp(first_output, start, start + count) - start;
    decode_batch(std::span(tokens).subspan(start, count), output);
    for (size_t i = output; i < count; ++i) result.push_back(static_cast<int32_t>(largest(logits_at(i))));
  }
  return result;
}

size_t largest(std::span<const float> values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace fakequant
