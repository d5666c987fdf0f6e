#include "select/name_pattern.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

using ByteSet = std::bitset<256>;

constexpr size_t kMaxSteps = 4096;     // of a compiled pattern: {n} copies what it repeats
constexpr int kMaxEmissions = 20'000;  // nodes visited while compiling: copies of nothing make no steps
constexpr int kMaxDepth = 32;          // of groups in groups
constexpr int kMaxRepeat = 1000;

size_t byte_of(char c) {
  return static_cast<unsigned char>(c);
}

void add_range(ByteSet& set, char first, char last) {
  for (size_t c = byte_of(first); c <= byte_of(last); ++c) set.set(c);
}

ByteSet digits() {
  ByteSet set;
  add_range(set, '0', '9');
  return set;
}

ByteSet word_bytes() {
  ByteSet set = digits();
  add_range(set, 'a', 'z');
  add_range(set, 'A', 'Z');
  return set.set(byte_of('_'));
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

// A pattern as a tree; nodes name their children by index.
struct Node {
  enum class Kind { set, sequence, choice, repeat, at_begin, at_end, at_word_edge };
  Kind kind = Kind::sequence;
  std::vector<size_t> children = {};
  ByteSet set = {};
  int least = 0;
  int most = 0;  // -1: without limit
};

struct Tree {
  std::vector<Node> nodes;
  size_t root = 0;

  size_t add(Node node) {
    nodes.push_back(std::move(node));
    return nodes.size() - 1;
  }
  size_t add_set(const ByteSet& set) { return add({.kind = Node::Kind::set, .set = set}); }
  size_t add_byte(char c) { return add_set(ByteSet().set(byte_of(c))); }
};

// Reads one pattern; the two grammars share sets in brackets and the words of errors.
class PatternReader {
 public:
  PatternReader(std::string_view text, std::string_view kind) : text_(text), kind_(kind) {
    if (text.size() > kMaxPatternLength) {
      throw UsageError("{} of {} bytes: the longest allowed has {}", kind, text.size(), kMaxPatternLength);
    }
  }

  Tree read_glob() {
    std::vector<size_t> items;
    while (!at_end()) items.push_back(read_glob_item());
    tree_.root = tree_.add({.kind = Node::Kind::sequence, .children = items});
    return std::move(tree_);
  }

  Tree read_regex() {
    tree_.root = read_choice(0);
    if (!at_end()) fail(place_, "')' without '('");
    return std::move(tree_);
  }

 private:
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
    if (c == '?') return tree_.add_set(ByteSet().set());
    if (c == '[') return tree_.add_set(read_set(place, true));
    if (c == '\\') {
      if (at_end()) fail(place, "'\\' with nothing after it");
      c = take();
    } else if (c == '*') {
      size_t any = tree_.add_set(ByteSet().set());
      return tree_.add({.kind = Node::Kind::repeat, .children = {any}, .most = -1});
    }
    return tree_.add_byte(c);
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
    return tree_.add({.kind = Node::Kind::choice, .children = options});
  }

  size_t read_sequence(int depth) {
    std::vector<size_t> items;
    while (!at_end() && text_[place_] != '|' && text_[place_] != ')') {
      items.push_back(read_repeats(read_atom(depth)));
    }
    return tree_.add({.kind = Node::Kind::sequence, .children = items});
  }

  size_t read_atom(int depth) {
    size_t place = place_;
    char c = take();
    switch (c) {
      case '.':
        return tree_.add_set(ByteSet().set());
      case '^':
        return tree_.add({.kind = Node::Kind::at_begin});
      case '$':
        return tree_.add({.kind = Node::Kind::at_end});
      case '[':
        return tree_.add_set(read_set(place, false));
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
        return tree_.add_byte(c);
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
    if (c == 'b') return tree_.add({.kind = Node::Kind::at_word_edge});
    if (auto set = class_of(c)) return tree_.add_set(*set);
    if (c >= '1' && c <= '9') fail(start, "a back-reference, which is not supported,");
    if (is_letter_or_digit(c)) fail(start, "an escape that is not known");
    return tree_.add_byte(c);
  }

  size_t read_repeats(size_t atom) {
    if (at_end()) return atom;
    size_t place = place_;
    Node repeat{.kind = Node::Kind::repeat, .children = {atom}};
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
    Node::Kind repeated = tree_.nodes[atom].kind;
    if (repeated == Node::Kind::at_begin || repeated == Node::Kind::at_end ||
        repeated == Node::Kind::at_word_edge) {
      fail(place, "a repeat with nothing before it");
    }
    accept('?');  // a lazy repeat matches the same names
    return tree_.add(std::move(repeat));
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
  Tree tree_;
};

}  // namespace

// Turns a tree into steps. Depth is bounded by that of the tree: each group adds at most four levels.
class PatternCompiler {
 public:
  using Op = NamePattern::Op;

  PatternCompiler(const Tree& tree, std::string_view text) : tree_(tree), text_(text) {}

  NamePattern compile(bool anywhere) {
    pattern_.anywhere_ = anywhere;
    set_index_.assign(tree_.nodes.size(), -1);
    emit(tree_.root);
    step(Op::accept);
    return std::move(pattern_);
  }

 private:
  uint16_t here() const { return static_cast<uint16_t>(pattern_.steps_.size()); }

  [[noreturn]] void too_large() const {
    throw UsageError("pattern '{}' is too large: its repeats within repeats make more than {} steps",
                     printable(text_), kMaxSteps);
  }

  size_t step(Op op, uint16_t first = 0, uint16_t second = 0) {
    if (pattern_.steps_.size() == kMaxSteps) too_large();
    pattern_.steps_.push_back({op, first, second});
    return pattern_.steps_.size() - 1;
  }

  void emit(size_t index) {
    if (++emissions_ > kMaxEmissions) too_large();
    const Node& node = tree_.nodes[index];
    switch (node.kind) {
      case Node::Kind::set:
        step(Op::one_of, set_index(index));
        break;
      case Node::Kind::sequence:
        for (size_t child : node.children) emit(child);
        break;
      case Node::Kind::choice:
        emit_choice(node);
        break;
      case Node::Kind::repeat:
        emit_repeat(node);
        break;
      case Node::Kind::at_begin:
        step(Op::at_begin);
        break;
      case Node::Kind::at_end:
        step(Op::at_end);
        break;
      case Node::Kind::at_word_edge:
        step(Op::at_word_edge);
        break;
    }
  }

  // Copies of a node share its set.
  uint16_t set_index(size_t index) {
    if (set_index_[index] < 0) {
      set_index_[index] = static_cast<int>(pattern_.sets_.size());
      pattern_.sets_.push_back(tree_.nodes[index].set);
    }
    return static_cast<uint16_t>(set_index_[index]);
  }

  void emit_choice(const Node& node) {
    std::vector<size_t> ends;
    for (size_t i = 0; i + 1 < node.children.size(); ++i) {
      size_t fork = step(Op::fork);
      pattern_.steps_[fork].first = here();
      emit(node.children[i]);
      ends.push_back(step(Op::jump));
      pattern_.steps_[fork].second = here();
    }
    emit(node.children.back());
    for (size_t end : ends) pattern_.steps_[end].first = here();
  }

  void emit_repeat(const Node& node) {
    for (int i = 0; i < node.least; ++i) emit(node.children[0]);
    if (node.most < 0) {
      size_t fork = step(Op::fork);
      pattern_.steps_[fork].first = here();
      emit(node.children[0]);
      step(Op::jump, static_cast<uint16_t>(fork));
      pattern_.steps_[fork].second = here();
      return;
    }
    std::vector<size_t> forks;
    for (int i = node.least; i < node.most; ++i) {
      forks.push_back(step(Op::fork));
      pattern_.steps_[forks.back()].first = here();
      emit(node.children[0]);
    }
    for (size_t fork : forks) pattern_.steps_[fork].second = here();
  }

  const Tree& tree_;
  std::string_view text_;
  NamePattern pattern_;
  std::vector<int> set_index_;
  int emissions_ = 0;
};

NamePattern NamePattern::glob(std::string_view text) {
  return PatternCompiler(PatternReader(text, "glob pattern").read_glob(), text).compile(false);
}

NamePattern NamePattern::regex(std::string_view text) {
  return PatternCompiler(PatternReader(text, "regular expression").read_regex(), text).compile(true);
}

bool NamePattern::is_glob(std::string_view text) {
  return text.find_first_of("*?[\\") != std::string_view::npos;
}

bool NamePattern::matches(std::string_view name) const {
  static const ByteSet kWord = word_bytes();
  auto word_at = [&](size_t place) { return place < name.size() && kWord.test(byte_of(name[place])); };
  std::vector<uint16_t> open, waiting;                // steps to look into; those that want a byte next
  std::vector<size_t> seen(steps_.size(), SIZE_MAX);  // the place at which a step was last reached
  for (size_t place = 0; place <= name.size(); ++place) {
    open.clear();
    for (uint16_t index : waiting) {
      if (sets_[steps_[index].first].test(byte_of(name[place - 1])))
        open.push_back(static_cast<uint16_t>(index + 1));
    }
    if (place == 0 || anywhere_) open.push_back(0);
    waiting.clear();
    while (!open.empty()) {
      uint16_t index = open.back();
      open.pop_back();
      if (seen[index] == place) continue;
      seen[index] = place;
      const Step& step = steps_[index];
      bool goes_on = false;
      switch (step.op) {
        case Op::one_of:
          waiting.push_back(index);
          break;
        case Op::fork:
          open.push_back(step.second), open.push_back(step.first);
          break;
        case Op::jump:
          open.push_back(step.first);
          break;
        case Op::at_begin:
          goes_on = place == 0;
          break;
        case Op::at_end:
          goes_on = place == name.size();
          break;
        case Op::at_word_edge:
          goes_on = word_at(place) != (place > 0 && word_at(place - 1));
          break;
        case Op::accept:
          if (anywhere_ || place == name.size()) return true;
          break;
      }
      if (goes_on) open.push_back(static_cast<uint16_t>(index + 1));
    }
  }
  return false;
}

}  // namespace fakequant
