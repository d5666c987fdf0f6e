#pragma once
// Texts and how many chunks of tokens they give. Knows no model: tokens come from outside.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/setting_names.h"

namespace fakequant {

// The whole file without the one line end that it may end in, as llama-perplexity reads it. Throws Error when it
// cannot be read, is no regular file, or holds nothing.
std::string read_text(const std::string& path);

// A text as a model reads it.
struct TokenizedText {
  std::string file;
  std::vector<int32_t> tokens;
  size_t chunks = 0;  // that are evaluated
};

// The context that is taken when none is asked for: 512 tokens, or what the model was trained on where that is
// less; 0 is a model that does not say.
int default_context(int training_context);

// How many chunks of `context` tokens are evaluated: all that `token_count` tokens fill, at most `most`. What
// remains is dropped. Throws Error, which names `place`, when there are fewer than two chunks' tokens: then
// llama-perplexity refuses as well; the sentence calls the context `context_name`.
size_t chunk_count(size_t token_count, int context, std::optional<size_t> most, const std::string& place,
                   const char* context_name = SettingNames{}.context);

}  // namespace fakequant
