#include "formats/format_grammar.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

constexpr int64_t kLargestGroup = 65536;
constexpr std::string_view kGroup = "group=";
// Floats with more exponent bits reach as far as F32 itself: a scale would gain nothing and leave F32's range.
constexpr int kMostScaledExponentBits = 5;

bool is_float(const BlockFormat& format) {
  return std::holds_alternative<FloatGrid>(format.grid);
}
bool is_integer(const BlockFormat& format) {
  return std::holds_alternative<IntegerGrid>(format.grid);
}
const FloatGrid& float_of(const BlockFormat& format) {
  return std::get<FloatGrid>(format.grid);
}
IntegerScheme scheme_of(const BlockFormat& format) {
  return std::get<IntegerGrid>(format.grid).scheme;
}
void set_scheme(BlockFormat& format, IntegerScheme scheme) {
  std::get<IntegerGrid>(format.grid).scheme = scheme;
}

// One word that a parameter may be: what it sets, and whether a format has it set.
struct Word {
  const char* word;
  void (*set)(BlockFormat&);
  bool (*is_set)(const BlockFormat&);
};

constexpr Word kExtents[] = {
    {"tensor", [](BlockFormat& f) { f.extent = ScaleExtent::tensor; },
     [](const BlockFormat& f) { return f.extent == ScaleExtent::tensor; }},
    {"row", [](BlockFormat& f) { f.extent = ScaleExtent::row; },
     [](const BlockFormat& f) { return f.extent == ScaleExtent::row; }},
};

constexpr Word kSchemes[] = {
    {"restricted", [](BlockFormat& f) { set_scheme(f, IntegerScheme::restricted); },
     [](const BlockFormat& f) { return scheme_of(f) == IntegerScheme::restricted; }},
    {"full", [](BlockFormat& f) { set_scheme(f, IntegerScheme::full); },
     [](const BlockFormat& f) { return scheme_of(f) == IntegerScheme::full; }},
    {"asym", [](BlockFormat& f) { set_scheme(f, IntegerScheme::asym); },
     [](const BlockFormat& f) { return scheme_of(f) == IntegerScheme::asym; }},
};

constexpr Word kScaleRules[] = {
    {"scale=floor", [](BlockFormat& f) { f.scale_rule = ScaleRule::floor; },
     [](const BlockFormat& f) { return f.scale_rule == ScaleRule::floor; }},
    {"scale=ceil", [](BlockFormat& f) { f.scale_rule = ScaleRule::ceil; },
     [](const BlockFormat& f) { return f.scale_rule == ScaleRule::ceil; }},
    {"scale=rceil", [](BlockFormat& f) { f.scale_rule = ScaleRule::rceil; },
     [](const BlockFormat& f) { return f.scale_rule == ScaleRule::rceil; }},
    {"scale=even", [](BlockFormat& f) { f.scale_rule = ScaleRule::even; },
     [](const BlockFormat& f) { return f.scale_rule == ScaleRule::even; }},
};

constexpr Word kRoundings[] = {
    {"rne", [](BlockFormat& f) { f.rounding = Rounding::rne; },
     [](const BlockFormat& f) { return f.rounding == Rounding::rne; }},
    {"rtz", [](BlockFormat& f) { f.rounding = Rounding::rtz; },
     [](const BlockFormat& f) { return f.rounding == Rounding::rtz; }},
    {"rna", [](BlockFormat& f) { f.rounding = Rounding::rna; },
     [](const BlockFormat& f) { return f.rounding == Rounding::rna; }},
    {"sr", [](BlockFormat& f) { f.rounding = Rounding::sr; },
     [](const BlockFormat& f) { return f.rounding == Rounding::sr; }},
};

constexpr Word kScaleTypes[] = {
    {"scale_type=f32", [](BlockFormat& f) { f.scale_type = ScaleType::f32; },
     [](const BlockFormat& f) { return f.scale_type == ScaleType::f32; }},
    {"scale_type=f16", [](BlockFormat& f) { f.scale_type = ScaleType::f16; },
     [](const BlockFormat& f) { return f.scale_type == ScaleType::f16; }},
    {"scale_type=bf16", [](BlockFormat& f) { f.scale_type = ScaleType::bf16; },
     [](const BlockFormat& f) { return f.scale_type == ScaleType::bf16; }},
};

constexpr Word kOverflows[] = {
    {"sat", [](BlockFormat& f) { f.overflow = Overflow::saturate; },
     [](const BlockFormat& f) { return f.overflow == Overflow::saturate; }},
    {"inf", [](BlockFormat& f) { f.overflow = Overflow::infinite; },
     [](const BlockFormat& f) { return f.overflow == Overflow::infinite; }},
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

bool always(const BlockFormat&) {
  return true;
}

bool takes_extent(const BlockFormat& f) {
  if (f.has_standard_scale()) return false;
  return !is_float(f) || float_of(f).exponent_bits <= kMostScaledExponentBits;
}

constexpr Parameter kParameters[] = {
    {"scale extent", kExtents, true, "which values share a scale", takes_extent,
     [](const BlockFormat& f) { return f.has_scale(); }},
    {"scheme", kSchemes, false, "codes -Q..Q, -Q-1..Q, or with a zero point",
     [](const BlockFormat& f) { return is_integer(f) && !f.has_standard_scale(); }, always},
    {"scale rule", kScaleRules, false, "how the power of two is chosen",
     [](const BlockFormat& f) { return f.scale_type == ScaleType::e8m0; }, always},
    {"rounding", kRoundings, false,
     "to nearest with ties to even, toward zero, ties away from zero, stochastic (--seed)", always, always},
    {"scale type", kScaleTypes, false, "how the scale is stored", takes_extent,
     [](const BlockFormat& f) { return f.scale_type != ScaleType::f32; }},
    {"overflow", kOverflows, false, "what overflows becomes the largest value, or Inf (NaN in e4m3 and fnuz)",
     [](const BlockFormat& f) { return is_float(f) && !f.has_standard_scale(); },
     [](const BlockFormat& f) { return !f.has_scale() && f.overflow != default_overflow(float_of(f)); }},
};

struct KindWord {
  const char* word;
  FloatKind kind;
};

constexpr KindWord kKinds[] = {{"ieee", FloatKind::ieee},
                               {"fn", FloatKind::fn},
                               {"fnuz", FloatKind::fnuz},
                               {"finite", FloatKind::finite}};

constexpr const char* kKindWords = "ieee, fn, fnuz or finite";

std::optional<FloatKind> kind_of(std::string_view word) {
  for (const KindWord& kind : kKinds) {
    if (word == kind.word) return kind.kind;
  }
  return std::nullopt;
}

// X and Y of "eXmY".
struct FloatShape {
  int exponent_bits;
  int mantissa_bits;
};

std::optional<FloatShape> shape_of(std::string_view name) {
  size_t m = name.find('m');
  uint64_t exponent = 0;
  uint64_t mantissa = 0;
  bool read = name.size() >= 4 && name[0] == 'e' && m != std::string_view::npos &&
              parse_unsigned(name.substr(1, m - 1), exponent) &&
              parse_unsigned(name.substr(m + 1), mantissa) && exponent < 100 && mantissa < 100;
  // One spelling for one format: no leading zeros.
  if (!read || fmt::format("e{}m{}", exponent, mantissa) != name) return std::nullopt;
  return FloatShape{static_cast<int>(exponent), static_cast<int>(mantissa)};
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.push_back(entry.name);
  return names;
}

BlockFormat generic_format(std::string_view text, std::string_view name, const FloatShape& shape,
                           FloatKind kind) {
  if (shape.exponent_bits < 2 || shape.exponent_bits > 8 || shape.mantissa_bits > 22) {
    throw UsageError("format '{}': {} is none of e2m0 to e8m22{}", printable(text), printable(name),
                     shape.exponent_bits < 2 ? "; for equally spaced values use int2 to int16" : "");
  }
  if (shape.exponent_bits == 8 && (kind == FloatKind::fn || kind == FloatKind::finite)) {
    throw UsageError(
        "format '{}': eight exponent bits of kind {} reach beyond F32, in which values are kept; wanted ieee "
        "or fnuz",
        printable(text), name_of(kind));
  }
  FloatGrid grid = float_grid(shape.exponent_bits, shape.mantissa_bits, kind);
  return {.grid = grid, .overflow = default_overflow(grid)};
}

// What stands before the first parameter that is not a kind: a catalog entry, or a generic float.
Format base_format(std::string_view text, const std::string& name, std::optional<FloatKind> kind) {
  const std::vector<CatalogEntry>& entries = catalog();
  auto entry =
      std::find_if(entries.begin(), entries.end(), [&](const CatalogEntry& e) { return e.name == name; });
  std::optional<FloatShape> shape = shape_of(name);
  if (shape && kind) {
    BlockFormat block = generic_format(text, name, *shape, *kind);
    // e5m2:ieee spells out a kind: the default of that kind, not of the name.
    if (*kind == FloatKind::ieee) block.overflow = Overflow::infinite;
    return {"", block};
  }
  if (entry != entries.end()) return entry->format;
  if (shape) {
    throw UsageError("format '{}': of which kind? Give {}:KIND with {}", printable(text), printable(name),
                     kKindWords);
  }
  if (name == lower(generic_float_entry().name)) {
    throw UsageError("format '{}': which numbers of bits, and which kind? For example {}", printable(text),
                     generic_float_entry().format.name);
  }
  throw UsageError("format '{}': '{}' is no format; see `fakequant formats`{}", printable(text),
                   printable(name), did_you_mean(name, known_names()));
}

// Takes a kind out of the parameters; at most one may be there.
std::optional<FloatKind> take_kind(std::string_view text, const std::string& name,
                                   std::vector<std::string>& parts) {
  std::optional<FloatKind> kind;
  for (size_t i = 1; i < parts.size();) {
    std::optional<FloatKind> word = kind_of(parts[i]);
    if (!word || !shape_of(name)) {
      ++i;
      continue;
    }
    if (kind) {
      throw UsageError("format '{}': its kind is given twice, the second time as '{}'", printable(text),
                       printable(parts[i]));
    }
    kind = word;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return kind;
}

void set_group(std::string_view text, std::string_view parameter, BlockFormat& format) {
  uint64_t values = 0;
  if (!parse_unsigned(parameter.substr(kGroup.size()), values) || values < 1 || values > kLargestGroup) {
    throw UsageError("format '{}': found '{}', wanted group=N with N from 1 to {}", printable(text),
                     printable(parameter), kLargestGroup);
  }
  format.extent = ScaleExtent::group;
  format.group_values = static_cast<int64_t>(values);
}

// Applies one parameter and returns which it was.
const Parameter& apply_parameter(std::string_view text, std::string_view word, BlockFormat& format) {
  std::vector<std::string> accepted;
  for (const Parameter& parameter : kParameters) {
    if (!parameter.applies(format)) continue;
    if (parameter.takes_group && word.substr(0, kGroup.size()) == kGroup) {
      set_group(text, word, format);
      return parameter;
    }
    for (const Word& known : parameter.words) {
      accepted.emplace_back(known.word);
      if (word != known.word) continue;
      known.set(format);
      if (parameter.takes_group) format.group_values = 0;
      return parameter;
    }
    if (parameter.takes_group) accepted.emplace_back("group=N");
  }
  throw UsageError("format '{}': '{}' is no parameter of it, wanted one of {}{}", printable(text),
                   printable(word), join(accepted, ", "), did_you_mean(word, accepted));
}

// What only the whole format shows: a scale type or an overflow rule without what they are about.
void check_combination(std::string_view text, const BlockFormat& format,
                       const std::vector<const Parameter*>& given) {
  auto has = [&](std::string_view name) {
    return std::any_of(given.begin(), given.end(), [&](const Parameter* p) { return p->name == name; });
  };
  if (has("scale type") && !format.has_scale()) {
    throw UsageError("format '{}': it has no scale to store; give :tensor, :row or :group=N as well",
                     printable(text));
  }
  if (!is_float(format) || format.overflow != Overflow::infinite) return;
  if (format.has_scale() && has("overflow")) {
    throw UsageError("format '{}': with a scale the largest value is the largest code: nothing becomes Inf",
                     printable(text));
  }
  if (float_of(format).kind == FloatKind::finite) {
    throw UsageError("format '{}': {} has neither Inf nor NaN: what overflows saturates", printable(text),
                     catalog_name(format).empty() ? "a finite grid" : catalog_name(format));
  }
}

std::string base_name(const BlockFormat& format) {
  std::string name = catalog_name(format);
  if (!name.empty()) return name;
  const FloatGrid& grid = float_of(format);
  return fmt::format("e{}m{}:{}", grid.exponent_bits, grid.mantissa_bits, name_of(grid.kind));
}

std::string word_in(const Parameter& parameter, const BlockFormat& format) {
  if (parameter.takes_group && format.extent == ScaleExtent::group)
    return fmt::format("{}{}", kGroup, format.group_values);
  for (const Word& word : parameter.words) {
    if (word.is_set(format)) return word.word;
  }
  FQ_CHECK(!"a parameter without a word");
}

}  // namespace

std::string_view name_of(FloatKind kind) {
  for (const KindWord& word : kKinds) {
    if (word.kind == kind) return word.word;
  }
  FQ_CHECK(!"a kind without a name");
}

std::string_view name_of(Rounding rounding) {
  for (const Word& word : kRoundings) {
    if (word.is_set({.grid = kF32, .rounding = rounding})) return word.word;
  }
  FQ_CHECK(!"a rounding without a name");
}

std::string canonical_name(const BlockFormat& format) {
  std::string name = base_name(format);
  if (is_float(format) && float_of(format) == kF32) return name;
  for (const Parameter& parameter : kParameters) {
    if (!parameter.applies(format) || !parameter.is_said(format)) continue;
    name += ':';
    name += word_in(parameter, format);
  }
  return name;
}

std::vector<ParameterHelp> parameters_of(const Format& format) {
  if (format.is_ggml() || format.leaves_values()) return {};
  auto defaults = std::get<BlockFormat>(entry_of(format).format.kind);
  if (const auto* unnamed = std::get_if<FloatGrid>(&std::get<BlockFormat>(format.kind).grid)) {
    defaults.grid = *unnamed;
    if (!defaults.has_standard_scale()) defaults.overflow = default_overflow(*unnamed);
  }
  std::vector<ParameterHelp> help;
  const auto* grid = std::get_if<FloatGrid>(&defaults.grid);
  if (grid != nullptr && shape_of(base_name(defaults).substr(0, base_name(defaults).find(':')))) {
    help.push_back(
        {":ieee|fn|fnuz|finite", fmt::format("what the top codes mean (here {})", name_of(grid->kind))});
  }
  for (const Parameter& parameter : kParameters) {
    if (!parameter.applies(defaults)) continue;
    // A finite grid has nowhere to go: of the words for overflow it takes the default alone.
    bool only_saturates =
        parameter.words.data() == kOverflows && float_of(defaults).kind == FloatKind::finite;
    if (only_saturates) continue;
    std::vector<std::string> words;
    for (const Word& word : parameter.words) words.emplace_back(word.word);
    if (parameter.takes_group) words.emplace_back("group=N");
    // scale=floor|ceil rather than scale=floor|scale=ceil
    size_t equals = words[0].find('=');
    if (equals != std::string::npos && !parameter.takes_group) {
      for (size_t i = 1; i < words.size(); ++i) words[i] = words[i].substr(equals + 1);
    }
    bool extent = parameter.takes_group;
    std::string set = extent && !defaults.has_scale() ? "none" : word_in(parameter, defaults);
    if (equals != std::string::npos && !parameter.takes_group) set = set.substr(equals + 1);
    help.push_back(
        {fmt::format(":{}", join(words, "|")), fmt::format("{} (default {})", parameter.meaning, set)});
  }
  return help;
}

Format parse_format(std::string_view text) {
  std::vector<std::string> parts = split(lower(trim(text)), ':');
  std::optional<FloatKind> kind = take_kind(text, parts[0], parts);
  Format format = base_format(text, parts[0], kind);
  if (parts.size() > 1 && (format.is_ggml() || format.leaves_values())) {
    throw UsageError("format '{}': {} takes no parameters, found '{}'", printable(text), parts[0],
                     printable(parts[1]));
  }
  if (format.is_ggml()) return format;
  auto& block = std::get<BlockFormat>(format.kind);
  std::vector<const Parameter*> given;
  for (size_t i = 1; i < parts.size(); ++i) {
    const Parameter& parameter = apply_parameter(text, parts[i], block);
    if (std::find(given.begin(), given.end(), &parameter) != given.end()) {
      throw UsageError("format '{}': its {} is given twice, the second time as '{}'", printable(text),
                       parameter.name, printable(parts[i]));
    }
    given.push_back(&parameter);
  }
  check_combination(text, block, given);
  // With a scale nothing overflows but by rounding, and that saturates.
  if (block.has_scale()) block.overflow = Overflow::saturate;
  format.name = canonical_name(block);
  return format;
}

std::vector<Format> parse_format_list(std::string_view text) {
  std::vector<Format> formats;
  for (const std::string& part : split(std::string(text), ',')) {
    Format format = parse_format(part);
    if (std::find(formats.begin(), formats.end(), format) != formats.end()) {
      throw UsageError("format list '{}': {} is given twice", printable(text), format.name);
    }
    formats.push_back(std::move(format));
  }
  return formats;
}

}  // namespace fakequant
