#pragma once
// The two selection grammars, --layers and --tensors, and what they select of a model. Knows names, shapes
// and storage types, not formats, rules or data.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "select/name_pattern.h"
#include "select/roles.h"

namespace fakequant {

// Layers: "0", "0-2", "0-2,5,10-", "all"; spaces around numbers, dashes and commas are allowed. "10-" means
// 10 to the last.
class LayerSelection {
 public:
  // Throws UsageError naming the bad part and its place (counted from character 1).
  static LayerSelection parse(std::string_view text);

  bool contains(int layer) const;

  // Throws Error unless every layer that is named, those inside ranges included, is one of `known`
  // (ascending); of an open range its beginning. The text names the first layer that is missing and the
  // layers there are.
  void check(std::span<const int> known) const;

  const std::string& text() const { return text_; }  // as the user wrote it

 private:
  struct Range {
    int first;
    int last;         // inclusive; kMaxLayer when open
    bool open;        // no last layer was named
    bool everything;  // "all": no layer was named
  };
  static Range parse_range(std::string_view text, size_t item_place, std::string_view part);
  std::string text_;
  std::vector<Range> ranges_;
};

// Tensors: items separated by commas. An item is a role word (a group or a specific role), a whole tensor
// name, a glob on whole tensor names, or a /regular expression/ found anywhere in a name; `!item` excludes. A
// tensor is selected when an item includes it (or no item includes anything) and none excludes it; the order
// of items has no meaning.
class TensorSelection {
 public:
  // Throws UsageError naming the bad item and its place (counted from character 1).
  static TensorSelection parse(std::string_view text);

  bool contains(const TensorInfo& tensor) const;

  // Throws Error when an item, an excluding one too, matches no tensor at all: the text names the item and
  // the nearest names, or the roles of this model.
  void check(TensorList tensors) const;

  const std::string& text() const { return text_; }  // as the user wrote it

 private:
  enum class Kind { group, word, pattern };
  struct Item {
    std::string text;  // without '!'
    Kind kind;
    bool excludes;
    const RoleGroup* group;  // for Kind::group
    NamePattern pattern;     // for Kind::pattern
    bool matches(const TensorInfo& tensor) const;
  };
  static Item parse_item(std::string_view text);
  [[noreturn]] void fail(const Item& item, TensorList tensors) const;
  std::string text_;
  std::vector<Item> items_;
  bool includes_ = false;  // some item includes
};

// The indices of the selected tensors, ascending. Layers alone select the tensors of those blocks; both given
// select what is in both; neither selects every tensor.
//
//   throws   Error when an item or layer matches nothing (see check), or when nothing is left: the text says
//            why
std::vector<size_t> select_tensors(TensorList tensors, const std::optional<TensorSelection>& chosen,
                                   const std::optional<LayerSelection>& layers);

}  // namespace fakequant
