#include "select/pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

constexpr size_t kMaxSelectionBytes = 65'536;

// A part of a selection without the blanks around it, and the character at which it begins, counted from 1.
struct Piece {
  std::string_view text;
  size_t place;
};

Piece piece_of(std::string_view whole, size_t begin, size_t end) {
  std::string_view text = trim(whole.substr(begin, end - begin));
  // An empty piece stands where it was looked for.
  size_t first = text.empty() ? begin : static_cast<size_t>(text.data() - whole.data());
  return {text, first + 1};
}

// The end of the item that begins at `begin`: the next comma, but for those inside /.../.
size_t item_end(std::string_view text, size_t begin) {
  size_t first = text.find_first_not_of(" \t\r\n!", begin);
  if (first == std::string_view::npos || text[first] != '/')
    return std::min(text.find(',', begin), text.size());
  for (size_t i = first + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '/') {
      return std::min(text.find(',', i), text.size());
    }
  }
  return text.size();
}

std::vector<Piece> pieces_of(std::string_view text, std::string_view kind, bool expressions) {
  if (text.size() > kMaxSelectionBytes) {
    throw UsageError("{} selection of {} bytes: the longest allowed has {}", kind, text.size(),
                     kMaxSelectionBytes);
  }
  if (trim(text).empty()) throw UsageError("empty {} selection", kind);
  std::vector<Piece> pieces;
  for (size_t begin = 0;;) {
    size_t end = expressions ? item_end(text, begin) : std::min(text.find(',', begin), text.size());
    pieces.push_back(piece_of(text, begin, end));
    if (pieces.back().text.empty()) {
      throw UsageError("{} selection '{}': nothing stands between the commas at character {}", kind,
                       printable(text), pieces.back().place);
    }
    if (end == text.size()) return pieces;
    begin = end + 1;
  }
}

// "0-3, 7" for {0, 1, 2, 3, 7}.
std::string list_layers(std::span<const int> layers) {
  std::vector<std::string> runs;
  for (size_t i = 0; i < layers.size();) {
    size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
    runs.push_back(last == i ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[last]));
    i = last + 1;
  }
  constexpr size_t kMost = 20;
  if (runs.size() > kMost) {
    runs.resize(kMost);
    runs.push_back("...");
  }
  return join(runs, ", ");
}

// The longest run of letters, digits and underscores of a pattern: what its author had in mind.
std::string_view longest_word(std::string_view pattern) {
  static constexpr const char* kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  std::string_view best;
  for (size_t begin = pattern.find_first_of(kWord); begin != std::string_view::npos;) {
    size_t end = std::min(pattern.find_first_not_of(kWord, begin), pattern.size());
    if (end - begin > best.size()) best = pattern.substr(begin, end - begin);
    begin = pattern.find_first_of(kWord, end);
  }
  return best;
}

// Groups that hold something, specific roles, and names: what a word may have meant.
std::vector<std::string> known_words(TensorList tensors) {
  std::vector<std::string> words;
  for (const RoleGroup& group : role_groups()) {
    bool present =
        std::any_of(tensors.begin(), tensors.end(), [&](auto& t) { return group.contains(*t.info); });
    if (present) words.emplace_back(group.word);
  }
  for (std::string& role : specific_roles(tensors)) {
    if (!find_role_group(role)) words.push_back(std::move(role));
  }
  for (const Model::Located& tensor : tensors) words.push_back(tensor.info->name);
  return words;
}

bool matches_some(const std::string& glob, TensorList tensors) {
  if (glob.size() > kMaxPatternLength) return false;
  NamePattern pattern = NamePattern::glob(glob);
  return std::any_of(tensors.begin(), tensors.end(), [&](auto& t) { return pattern.matches(t.info->name); });
}

std::string list_roles(TensorList tensors) {
  constexpr size_t kMost = 60;
  std::vector<std::string> roles = roles_present(tensors);
  if (roles.empty()) return "; it has no tensors";
  if (roles.size() > kMost) {
    roles.resize(kMost);
    roles.push_back("...");
  }
  return "; its roles are " + join(roles, ", ");
}

}  // namespace

LayerSelection::Range LayerSelection::parse_range(std::string_view text, size_t item_place,
                                                  std::string_view part) {
  auto number = [&](std::string_view digits) {
    std::string_view trimmed = trim(digits);
    uint64_t value = 0;
    if (!parse_unsigned(trimmed, value)) {
      throw UsageError("layer selection '{}': '{}' at character {} is not a layer; write 0, 0-2, 5- or all",
                       printable(text), printable(part), item_place);
    }
    if (value > uint64_t{kMaxLayer}) {
      throw UsageError("layer selection '{}': layer {} at character {} is beyond the largest allowed, {}",
                       printable(text), trimmed, item_place, kMaxLayer);
    }
    return static_cast<int>(value);
  };
  if (part == "all") return {0, kMaxLayer, true, true};
  size_t dash = part.find('-');
  if (dash == std::string_view::npos) {
    int layer = number(part);
    return {layer, layer, false, false};
  }
  int first = number(part.substr(0, dash));
  if (trim(part.substr(dash + 1)).empty()) return {first, kMaxLayer, true, false};
  int last = number(part.substr(dash + 1));
  if (last < first) {
    throw UsageError(
        "layer selection '{}': the range '{}' at character {} runs backwards; did you mean {}-{}?",
        printable(text), printable(part), item_place, last, first);
  }
  return {first, last, false, false};
}

LayerSelection LayerSelection::parse(std::string_view text) {
  LayerSelection selection;
  selection.text_ = text;
  for (const Piece& piece : pieces_of(text, "layer", false)) {
    selection.ranges_.push_back(parse_range(text, piece.place, piece.text));
  }
  return selection;
}

bool LayerSelection::contains(int layer) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return range.first <= layer && layer <= range.last; });
}

void LayerSelection::check(std::span<const int> known) const {
  if (known.empty()) {
    throw Error("layer selection '{}': the model has no layers, that is no tensors named blk.N",
                printable(text_));
  }
  for (const Range& range : ranges_) {
    if (range.everything) continue;
    int last_named = range.open ? range.first : range.last;
    int layer = range.first;
    // At most one step more than there are layers.
    while (layer <= last_named && std::binary_search(known.begin(), known.end(), layer)) ++layer;
    if (layer <= last_named) {
      throw Error("layer selection '{}': the model has no layer {}; its layers are {}", printable(text_),
                  layer, list_layers(known));
    }
  }
}

bool TensorSelection::Item::matches(const TensorInfo& tensor) const {
  switch (kind) {
    case Kind::group:
      return group->contains(tensor);
    case Kind::word:
      return tensor.name == text || role_of(tensor.name) == text;
    case Kind::pattern:
      return pattern.matches(tensor.name);
  }
  return false;
}

TensorSelection::Item TensorSelection::parse_item(std::string_view text) {
  Item item{
      .text = {}, .kind = Kind::word, .excludes = text.starts_with('!'), .group = nullptr, .pattern = {}};
  if (item.excludes) text = trim(text.substr(1));
  item.text = text;
  if (text.empty()) throw UsageError("'!' with nothing to exclude");
  if (text[0] == '!') throw UsageError("'!' twice");
  if (text[0] == '/') {
    if (text.size() < 2 || text.back() != '/')
      throw UsageError("a regular expression that does not end with '/'");
    std::string_view expression = text.substr(1, text.size() - 2);
    if (expression.empty()) throw UsageError("an empty regular expression");
    item.kind = Kind::pattern;
    item.pattern = NamePattern::regex(expression);
  } else if (NamePattern::is_glob(text)) {
    item.kind = Kind::pattern;
    item.pattern = NamePattern::glob(text);
  } else if (const RoleGroup* group = find_role_group(text)) {
    item.kind = Kind::group;
    item.group = group;
  }
  return item;
}

TensorSelection TensorSelection::parse(std::string_view text) {
  TensorSelection selection;
  selection.text_ = text;
  for (const Piece& piece : pieces_of(text, "tensor", true)) {
    try {
      selection.items_.push_back(parse_item(piece.text));
    } catch (const UsageError& error) {
      throw UsageError("tensor selection '{}': '{}' at character {}: {}", printable(text),
                       printable(piece.text), piece.place, error.what());
    }
    selection.includes_ |= !selection.items_.back().excludes;
  }
  return selection;
}

bool TensorSelection::contains(const TensorInfo& tensor) const {
  bool included = !includes_;
  for (const Item& item : items_) {
    if (item.excludes && item.matches(tensor)) return false;
    included = included || (!item.excludes && item.matches(tensor));
  }
  return included;
}

void TensorSelection::check(TensorList tensors) const {
  for (const Item& item : items_) {
    bool found =
        std::any_of(tensors.begin(), tensors.end(), [&](auto& tensor) { return item.matches(*tensor.info); });
    if (!found) fail(item, tensors);
  }
}

void TensorSelection::fail(const Item& item, TensorList tensors) const {
  std::string shown = printable(item.text);
  std::string where =
      items_.size() > 1 ? fmt::format(" (in the tensor selection '{}')", printable(text_)) : "";
  std::string hint;
  if (item.kind == Kind::pattern) {
    hint = did_you_mean(longest_word(item.text), specific_roles(tensors));
    if (item.text[0] != '/') {
      for (const std::string& wider : {item.text + "*", "*." + item.text, "*." + item.text + "*"}) {
        if (!matches_some(wider, tensors)) continue;
        hint = fmt::format("; a pattern must match the whole name: did you mean {}?", wider);
        break;
      }
    }
  } else if (item.kind == Kind::word) {
    hint = did_you_mean(lower(item.text), known_words(tensors));
  } else if (item.group->word == "output" && !tensors.empty()) {
    hint = "; a model without one uses token_embd as its output head";
  }
  if (hint.empty()) hint = list_roles(tensors);
  std::string_view what = item.kind == Kind::pattern ? "no tensor name of the model matches"
                          : item.kind == Kind::group ? "the model has no tensor of the role group"
                                                     : "the model has no tensor of the role or name";
  throw Error("{} '{}'{}{}", what, shown, where, printable(hint));
}

namespace {

// Why nothing is left of selections whose every part matches something.
[[noreturn]] void fail_empty(TensorList tensors, const std::optional<TensorSelection>& chosen,
                             const std::optional<LayerSelection>& layers) {
  if (tensors.empty()) throw Error("the model has no tensors to select");
  FQ_CHECK(chosen);  // layers alone, checked, select what named them
  std::vector<std::string> names;
  std::vector<Model::Located> selected;
  for (const Model::Located& tensor : tensors) {
    if (chosen->contains(*tensor.info)) selected.push_back(tensor);
  }
  std::string text = printable(chosen->text());
  if (selected.empty())
    throw Error("the tensor selection '{}' selects nothing: it excludes all that it includes", text);
  std::vector<int> present = layers_present(selected);
  std::string first = printable(selected[0].info->name);
  if (present.empty()) {
    throw Error(
        "the tensor selection '{}' selects nothing in layers '{}': what it selects, such as {}, is outside "
        "the layers; "
        "leave out the layer selection to choose it",
        text, printable(layers->text()), first);
  }
  throw Error(
      "the tensor selection '{}' selects nothing in layers '{}': what it selects, such as {}, is in layers "
      "{}",
      text, printable(layers->text()), first, list_layers(present));
}

}  // namespace

std::vector<size_t> select_tensors(TensorList tensors, const std::optional<TensorSelection>& chosen,
                                   const std::optional<LayerSelection>& layers) {
  if (layers) layers->check(layers_present(tensors));
  if (chosen) chosen->check(tensors);
  std::vector<size_t> selected;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = *tensors[i].info;
    std::optional<int> layer = layer_of(tensor.name);
    bool in_layers = !layers || (layer && layers->contains(*layer));
    if (in_layers && (!chosen || chosen->contains(tensor))) selected.push_back(i);
  }
  if (selected.empty()) fail_empty(tensors, chosen, layers);
  return selected;
}

}  // namespace fakequant
