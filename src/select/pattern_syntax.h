#pragma once
// What the text of a glob or regular expression says, as a tree. Knows nothing of matching: that is
// name_pattern's.

#include <bitset>
#include <string_view>
#include <vector>

namespace fakequant {

using ByteSet = std::bitset<256>;

inline size_t byte_of(char c) {
  return static_cast<unsigned char>(c);
}

// Letters, digits and the underscore: \w.
ByteSet word_bytes();

// A pattern as a tree; nodes name their children by index.
struct PatternNode {
  enum class Kind { set, sequence, choice, repeat, at_begin, at_end, at_word_edge };
  Kind kind = Kind::sequence;
  std::vector<size_t> children = {};
  ByteSet set = {};
  int least = 0;
  int most = 0;  // -1: without limit
};

struct PatternTree {
  std::vector<PatternNode> nodes;
  size_t root = 0;
};

// The grammars are those of NamePattern::glob and NamePattern::regex. Groups lie at most 32 deep within each
// other, so that recursion over a tree is safe. Throw UsageError naming what is wrong and at which character.
PatternTree read_glob(std::string_view text);
PatternTree read_regex(std::string_view text);

}  // namespace fakequant
