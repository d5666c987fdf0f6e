#include "engine/prompt.h"

#include <llama.h>

#include "base/error.h"
#include "base/text.h"
#include "engine/guard.h"

namespace fakequant {

namespace {

std::string piece(const LoadedModel& model, int32_t token, bool special) {
  const llama_vocab* vocabulary = llama_model_get_vocab(model.get());
  FQ_CHECK(token >= 0 && token < model.vocabulary_size());
  std::string bytes(64, '\0');
  CrashGuard guard(model.path(), "making text of tokens");
  auto attempt = [&] {
    return llama_token_to_piece(vocabulary, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0,
                                special);
  };
  int32_t count = attempt();
  if (count < 0) {
    bytes.resize(static_cast<size_t>(-static_cast<int64_t>(count)));
    count = attempt();
  }
  FQ_CHECK(count >= 0);
  bytes.resize(static_cast<size_t>(count));
  return bytes;
}

}  // namespace

std::vector<int32_t> prompt_tokens(const LoadedModel& model, std::string_view prompt) {
  std::vector<int32_t> tokens = model.tokenize(prompt, LoadedModel::SpecialWords::as_tokens);
  if (tokens.empty()) {
    throw Error("{}: prompt '{}': found no token in it, wanted at least one", printable(model.path()),
                excerpt(prompt));
  }
  return tokens;
}

std::string chat_prompt(const LoadedModel& model, const std::string& message) {
  const char* chat_template = llama_model_chat_template(model.get(), nullptr);
  if (chat_template == nullptr) {
    throw Error("{}: found no chat template in the model, wanted one for --chat; leave --chat out",
                printable(model.path()));
  }
  CrashGuard guard(model.path(), "applying its chat template");
  llama_chat_message messages[] = {{"user", message.c_str()}};
  std::string result;
  int32_t length = llama_chat_apply_template(chat_template, messages, 1, true, nullptr, 0);
  if (length >= 0) {
    // llama.cpp ends what it writes with a zero where there is room for it.
    result.resize(static_cast<size_t>(length) + 1);
    length = llama_chat_apply_template(chat_template, messages, 1, true, result.data(), length + 1);
  }
  if (length < 0) {
    throw Error(
        "{}: found a chat template that llama.cpp does not recognize ('{}'), wanted one of its list; leave "
        "--chat out and write the prompts in the model's own form",
        printable(model.path()), excerpt(chat_template));
  }
  result.resize(static_cast<size_t>(length));
  return result;
}

std::string piece_of(const LoadedModel& model, int32_t token) {
  return piece(model, token, false);
}

std::string name_of_token(const LoadedModel& model, int32_t token) {
  return piece(model, token, true);
}

std::string text_of(const LoadedModel& model, const std::vector<int32_t>& tokens) {
  std::string bytes;
  for (int32_t token : tokens) bytes += piece_of(model, token);
  return valid_utf8(bytes);
}

bool ends_text(const LoadedModel& model, int32_t token) {
  return llama_vocab_is_eog(llama_model_get_vocab(model.get()), token);
}

std::optional<int32_t> differing_end(const LoadedModel& a, const LoadedModel& b) {
  FQ_CHECK(a.vocabulary_size() == b.vocabulary_size());
  for (int32_t token = 0; token < a.vocabulary_size(); ++token) {
    if (ends_text(a, token) != ends_text(b, token)) return token;
  }
  return std::nullopt;
}

}  // namespace fakequant
