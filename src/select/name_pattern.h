#pragma once
// Glob patterns and regular expressions on tensor names, as one small automaton. Any text is safe: matching
// takes time in proportion to name length times pattern size (no backtracking), and neither recursion nor
// memory grows with what repeats ask for.

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fakequant {

// The longest pattern in bytes.
inline constexpr size_t kMaxPatternLength = 256;

class NamePattern {
 public:
  // `*` any run, `?` any one byte, `[abc]` `[a-z]` `[!abc]` one byte of (or not of) a set, `\x` the byte x
  // itself; matches whole names. Throws UsageError naming what is wrong and where.
  static NamePattern glob(std::string_view text);

  // ECMAScript's regular expressions without back-references and look-around: . [] [^] () (?:) | * + ? {n}
  // {n,} {n,m} ^ $ \b \d \w \s and their opposites; found anywhere in the name unless anchored. Bytes, not
  // characters. Throws UsageError naming what is wrong and where.
  static NamePattern regex(std::string_view text);

  // True when `text` holds a character that makes it a glob rather than a plain name.
  static bool is_glob(std::string_view text);

  bool matches(std::string_view name) const;

 private:
  friend class PatternCompiler;
  enum class Op : uint8_t { one_of, fork, jump, at_begin, at_end, at_word_edge, accept };
  struct Step {
    Op op;
    uint16_t first = 0;   // one_of: index of the set; fork, jump: where to go on
    uint16_t second = 0;  // fork: the other place
  };
  std::vector<Step> steps_;
  std::vector<std::bitset<256>> sets_;
  bool anywhere_ = false;  // may begin at any place of the name
};

}  // namespace fakequant
