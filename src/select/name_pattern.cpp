#include "select/name_pattern.h"

#include <string>

#include "base/error.h"
#include "base/text.h"
#include "select/pattern_syntax.h"

namespace fakequant {
namespace {

constexpr size_t kMaxSteps = 4096;     // of a compiled pattern: {n} copies what it repeats
constexpr int kMaxEmissions = 20'000;  // nodes visited while compiling: copies of nothing make no steps

}  // namespace

// Turns a tree into steps. Depth is bounded by that of the tree: each group adds at most four levels.
class PatternCompiler {
 public:
  using Op = NamePattern::Op;

  PatternCompiler(const PatternTree& tree, std::string_view text) : tree_(tree), text_(text) {}

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
    const PatternNode& node = tree_.nodes[index];
    switch (node.kind) {
      case PatternNode::Kind::set:
        step(Op::one_of, set_index(index));
        break;
      case PatternNode::Kind::sequence:
        for (size_t child : node.children) emit(child);
        break;
      case PatternNode::Kind::choice:
        emit_choice(node);
        break;
      case PatternNode::Kind::repeat:
        emit_repeat(node);
        break;
      case PatternNode::Kind::at_begin:
        step(Op::at_begin);
        break;
      case PatternNode::Kind::at_end:
        step(Op::at_end);
        break;
      case PatternNode::Kind::at_word_edge:
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

  void emit_choice(const PatternNode& node) {
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

  void emit_repeat(const PatternNode& node) {
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

  const PatternTree& tree_;
  std::string_view text_;
  NamePattern pattern_;
  std::vector<int> set_index_;
  int emissions_ = 0;
};

NamePattern NamePattern::glob(std::string_view text) {
  return PatternCompiler(read_glob(text), text).compile(false);
}

NamePattern NamePattern::regex(std::string_view text) {
  return PatternCompiler(read_regex(text), text).compile(true);
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