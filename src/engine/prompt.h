#pragma once
// Prompts as a model reads them, and the text of what it answers. Knows no probabilities.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"

namespace fakequant {

// The tokens of a prompt as llama-completion makes them: with what the model wants before every text, and "</s>"
// and the like in it as special tokens. Throws Error when there is not a single token.
std::vector<int32_t> prompt_tokens(const LoadedModel& model, std::string_view prompt);

// `message` as what a user says, in the model's own chat template, up to where the model answers. Throws Error
// when the model has no template, or one that llama.cpp does not know: it recognizes a fixed list of them.
std::string chat_prompt(const LoadedModel& model, const std::string& message);

// The bytes of one token. One character can be spread over several tokens, so they need not be valid UTF-8 by
// themselves. Special tokens have none.
std::string piece_of(const LoadedModel& model, int32_t token);

// The same, but a special token gives its name: "</s>".
std::string name_of_token(const LoadedModel& model, int32_t token);

// The pieces joined, and what is not valid UTF-8 in them replaced.
std::string text_of(const LoadedModel& model, const std::vector<int32_t>& tokens);

// Whether the model says with this token that its text ends.
bool ends_text(const LoadedModel& model, int32_t token);

// The first token that ends a text for one of two models and not for the other; nothing when they end alike. Both
// have the same number of tokens (checked).
std::optional<int32_t> differing_end(const LoadedModel& a, const LoadedModel& b);

}  // namespace fakequant
