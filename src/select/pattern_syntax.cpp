#include "select/pattern_syntax.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "select/name_pattern.h"

namespace fakequant {
namespace {

constexpr int kMaxDepth = 32;  // of groups in groups
constexpr int kMaxRepeat = 1000;

void add_range(ByteSet& set, char first, char last) {
  for (size_t c = byte_of(first); c <= byte_of(last); ++c) set.set(c);
}

ByteSet digits() {
  ByteSet set;
  add_range(set, '0', '9');
  return set;
}

ByteSet blanks() {
  ByteSet set;
  for (char c : {' ', '\t', '\r', '\n', '\f', '\v'}) set.set(byte_of(c));
  return set;
}

// \d, \w, \s and their opposites; nothing for other letters.
std::optional<ByteSet> class_of(char letter) {
  switch (letter) {
    case 'd':
      return digits();
    case 'D':
      return ~digits();
    case 'w':
      return word_bytes();
    case 'W':
      return ~word_bytes();
    case 's':
      return blanks();
    case 'S':
      return ~blanks();
    default:
      return std::nullopt;
  }
}

bool is_letter_or_digit(char c) {
  return c != '_' && word_bytes().test(byte_of(c));
}

// Reads one pattern; the two grammars share sets in brackets and the words of errors.
class PatternReader {
 public:
  PatternReader(std::string_view text, std::string_view kind) : text_(text), kind_(kind) {
    if (text.size() > kMaxPatternLength) {
      throw UsageError("{} of {} bytes: the longest allowed has {}", kind, text.size(), kMaxPatternLength);
    }
  }

  PatternTree read_glob() {
    std::vector<size_t> items;
    while (!at_end()) items.push_back(read_glob_item());
    tree_.root = add({.kind = PatternNode::Kind::sequence, .children = items});
    return std::move(tree_);
  }

  PatternTree read_regex() {
    tree_.root = read_choice(0);
    if (!at_end()) fail(place_, "')' without '('");
    return std::move(tree_);
  }

 private:
  size_t add(PatternNode node) {
    tree_.nodes.push_back(std::move(node));
    return tree_.nodes.size() - 1;
  }
  size_t add_set(const ByteSet& set) { return add({.kind = PatternNode::Kind::set, .set = set}); }
  size_t add_byte(char c) { return add_set(ByteSet().set(byte_of(c))); }

  bool at_end() const { return place_ == text_.size(); }
  bool accept(char c) {
    if (at_end() || text_[place_] != c) return false;
    ++place_;
    return true;
  }
  char take() { return text_[place_++]; }

  [[noreturn]] void fail(size_t place, std::string_view problem) const {
    throw UsageError("bad {} '{}': {} at its character {}", kind_, printable(text_), problem, place + 1);
  }

  size_t read_glob_item() {
    size_t place = place_;
    char c = take();
    if (c == '?') return add_set(ByteSet().set());
    if (c == '[') return add_set(read_set(place, true));
    if (c == '\\') {
      if (at_end()) fail(place, "'\\' with nothing after it");
      c = take();
    } else if (c == '*') {
      size_t any = add_set(ByteSet().set());
      return add({.kind = PatternNode::Kind::repeat, .children = {any}, .most = -1});
    }
    return add_byte(c);
  }

  // What follows '['; `exclamation`: '!' negates too, as in a shell.
  ByteSet read_set(size_t start, bool exclamation) {
    bool negated = accept('^') || (exclamation && accept('!'));
    ByteSet set;
    // In a shell a ']' right at the beginning is one of the set; in ECMAScript it ends the set.
    bool first = exclamation;
    while (at_end() || text_[place_] != ']' || first) {
      if (at_end()) fail(start, "'[' without ']'");
      first = false;
      size_t place = place_;
      std::optional<ByteSet> several;
      char low = read_set_byte(start, several);
      bool range = place_ + 1 < text_.size() && text_[place_] == '-' && text_[place_ + 1] != ']';
      if (!range) {
        set |= several ? *several : ByteSet().set(byte_of(low));
        continue;
      }
      ++place_;
      std::optional<ByteSet> several_last;
      char high = read_set_byte(start, several_last);
      if (several || several_last || byte_of(high) < byte_of(low)) fail(place, "a range that runs backwards");
      add_range(set, low, high);
    }
    ++place_;
    return negated ? ~set : set;
  }

  char read_set_byte(size_t start, std::optional<ByteSet>& several) {
    char c = take();
    if (c != '\\') return c;
    if (at_end()) fail(start, "'[' without ']'");
    char escaped = take();
    several = class_of(escaped);
    if (!several && is_letter_or_digit(escaped)) fail(place_ - 2, "an escape that is not known");
    return escaped;
  }

  size_t read_choice(int depth) {
    if (depth > kMaxDepth) fail(place_, "too many groups within groups");
    std::vector<size_t> options = {read_sequence(depth)};
    while (accept('|')) options.push_back(read_sequence(depth));
    if (options.size() == 1) return options[0];
    return add({.kind = PatternNode::Kind::choice, .children = options});
  }

  size_t read_sequence(int depth) {
    std::vector<size_t> items;
    while (!at_end() && text_[place_] != '|' && text_[place_] != ')') {
      items.push_back(read_repeats(read_atom(depth)));
    }
    return add({.kind = PatternNode::Kind::sequence, .children = items});
  }

  size_t read_atom(int depth) {
    size_t place = place_;
    char c = take();
    switch (c) {
      case '.':
        return add_set(ByteSet().set());
      case '^':
        return add({.kind = PatternNode::Kind::at_begin});
      case '$':
        return add({.kind = PatternNode::Kind::at_end});
      case '[':
        return add_set(read_set(place, false));
      case '\\':
        return read_escape(place);
      case '(':
        return read_group(place, depth);
      case '*':
      case '+':
      case '?':
      case '{':
        fail(place, "a repeat with nothing before it");
      default:
        return add_byte(c);
    }
  }

  size_t read_group(size_t start, int depth) {
    if (accept('?') && !accept(':')) fail(start, "look-around or a named group, which are not supported,");
    size_t inside = read_choice(depth + 1);
    if (!accept(')')) fail(start, "'(' without ')'");
    return inside;
  }

  size_t read_escape(size_t start) {
    if (at_end()) fail(start, "'\\' with nothing after it");
    char c = take();
    if (c == 'b') return add({.kind = PatternNode::Kind::at_word_edge});
    if (auto set = class_of(c)) return add_set(*set);
    if (c >= '1' && c <= '9') fail(start, "a back-reference, which is not supported,");
    if (is_letter_or_digit(c)) fail(start, "an escape that is not known");
    return add_byte(c);
  }

  size_t read_repeats(size_t atom) {
    if (at_end()) return atom;
    size_t place = place_;
    PatternNode repeat{.kind = PatternNode::Kind::repeat, .children = {atom}};
    switch (text_[place_]) {
      case '*':
        repeat.least = 0, repeat.most = -1;
        break;
      case '+':
        repeat.least = 1, repeat.most = -1;
        break;
      case '?':
        repeat.least = 0, repeat.most = 1;
        break;
      case '{':
        break;
      default:
        return atom;
    }
    if (take() == '{') {
      repeat.least = read_count(place);
      repeat.most = !accept(',') ? repeat.least : !at_end() && text_[place_] == '}' ? -1 : read_count(place);
      if (!accept('}')) fail(place, "'{' that is not {n}, {n,} or {n,m}");
      if (repeat.most >= 0 && repeat.most < repeat.least) fail(place, "a repeat whose limits are reversed");
    }
    PatternNode::Kind repeated = tree_.nodes[atom].kind;
    if (repeated == PatternNode::Kind::at_begin || repeated == PatternNode::Kind::at_end ||
        repeated == PatternNode::Kind::at_word_edge) {
      fail(place, "a repeat with nothing before it");
    }
    accept('?');  // a lazy repeat matches the same names
    return add(std::move(repeat));
  }

  int read_count(size_t start) {
    size_t end = std::min(text_.find_first_not_of("0123456789", place_), text_.size());
    uint64_t value = 0;
    if (!parse_unsigned(text_.substr(place_, end - place_), value))
      fail(start, "'{' that is not {n}, {n,} or {n,m}");
    if (value > kMaxRepeat) fail(start, "a repeat of more than 1000");
    place_ = end;
    return static_cast<int>(value);
  }

  std::string_view text_;
  std::string_view kind_;
  size_t place_ = 0;
  PatternTree tree_;
};

}  // namespace

ByteSet word_bytes() {
  ByteSet set = digits();
  add_range(set, 'a', 'z');
  add_range(set, 'A', 'Z');
  return set.set(byte_of('_'));
}

PatternTree read_glob(std::string_view text) {
  return PatternReader(text, "glob pattern").read_glob();
}

PatternTree read_regex(std::string_view text) {
  return PatternReader(text, "regular expression").read_regex();
}

}  // namespace fakequant
