#pragma once
// The parameters of our own formats: one table that parser, help and full names iterate. Internal to formats: others ask
// the grammar.

#include <span>
#include <string>
#include <string_view>

#include "formats/block_format.h"

namespace fakequant {

inline constexpr std::string_view kGroupParameter = "group=";

// One word that a parameter may be: what it sets, and whether a format has it set.
struct Word {
  const char* word;
  void (*set)(BlockFormat&);
  bool (*is_set)(const BlockFormat&);
};

// One choice that a format offers. Its words exclude each other.
struct Parameter {
  const char* name;  // for messages
  std::span<const Word> words;
  bool takes_group;  // group=N besides the words
  const char* meaning;
  bool (*applies)(const BlockFormat&);
  // Whether the full name says it: always, or only where it is not what the catalog's entry has.
  bool (*is_said)(const BlockFormat&);
};

// All of them, in the order in which full names have them.
std::span<const Parameter> format_parameters();

// The word of `parameter` that `format` has set.
std::string word_in(const Parameter& parameter, const BlockFormat& format);

}  // namespace fakequant
