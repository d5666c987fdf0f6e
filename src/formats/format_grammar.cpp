#include "formats/format_grammar.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_parameters.h"

namespace fakequant {

namespace {

constexpr int64_t kLargestGroup = 65536;

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

// What other tools call our formats.
struct ForeignName {
  const char* foreign;
  const char* name;
};

constexpr ForeignName kForeignNames[] = {{"bfloat16", "bf16"},
                                         {"fp16", "f16"},
                                         {"float16", "f16"},
                                         {"half", "f16"},
                                         {"fp32", "f32"},
                                         {"float32", "f32"},
                                         {"float", "f32"},
                                         {"fp8", "e4m3 or e5m2"},
                                         {"fp8_e4m3", "e4m3"},
                                         {"fp8_e5m2", "e5m2"},
                                         {"float8_e4m3fn", "e4m3"},
                                         {"float8_e5m2", "e5m2"},
                                         {"e4m3fn", "e4m3"},
                                         {"fp6", "e3m2 or e2m3"},
                                         {"fp4", "e2m1"},
                                         {"mxfp8", "mxfp8_e4m3 or mxfp8_e5m2"},
                                         {"mxfp4_e2m1", "mxfp4"},
                                         {"nvfp4_e2m1", "nvfp4"},
                                         {"mxfp6", "mxfp6_e3m2 or mxfp6_e2m3"}};

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.push_back(entry.name);
  return names;
}

std::string did_you_mean_format(std::string_view name) {
  for (const ForeignName& known : kForeignNames) {
    if (name == known.foreign) return fmt::format("; did you mean {}?", known.name);
  }
  return did_you_mean(name, known_names());
}

BlockFormat generic_format(std::string_view text, std::string_view name, const FloatShape& shape,
                           FloatKind kind) {
  if (shape.exponent_bits < 2 || shape.exponent_bits > 8 || shape.mantissa_bits > 22) {
    throw UsageError("format '{}': {} is none of e2m0 to e8m22{}", excerpt(text), excerpt(name),
                     shape.exponent_bits < 2 ? "; for equally spaced values use int2 to int16" : "");
  }
  if (shape.exponent_bits == 8 && (kind == FloatKind::fn || kind == FloatKind::finite)) {
    throw UsageError(
        "format '{}': eight exponent bits of kind {} reach beyond F32, in which values are kept; wanted ieee "
        "or fnuz",
        excerpt(text), name_of(kind));
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
    throw UsageError("format '{}': of which kind? Give {}:KIND with {}", excerpt(text), excerpt(name),
                     kKindWords);
  }
  if (name == lower(generic_float_entry().name)) {
    throw UsageError("format '{}': which numbers of bits, and which kind? For example {}", excerpt(text),
                     generic_float_entry().format.name);
  }
  throw UsageError("format '{}': '{}' is no format; see `fakequant formats`{}", excerpt(text), excerpt(name),
                   did_you_mean_format(name));
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
      throw UsageError("format '{}': its kind is given twice, the second time as '{}'", excerpt(text),
                       excerpt(parts[i]));
    }
    kind = word;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return kind;
}

void set_group(std::string_view text, std::string_view parameter, BlockFormat& format) {
  uint64_t values = 0;
  if (!parse_unsigned(parameter.substr(kGroupParameter.size()), values) || values < 1 ||
      values > kLargestGroup) {
    throw UsageError("format '{}': found '{}', wanted group=N with N from 1 to {}", excerpt(text),
                     excerpt(parameter), kLargestGroup);
  }
  format.extent = ScaleExtent::group;
  format.group_values = static_cast<int64_t>(values);
}

// Applies one parameter and returns which it was.
const Parameter& apply_parameter(std::string_view text, std::string_view word, BlockFormat& format) {
  std::vector<std::string> accepted;
  for (const Parameter& parameter : format_parameters()) {
    if (!parameter.applies(format)) continue;
    if (parameter.takes_group && word.substr(0, kGroupParameter.size()) == kGroupParameter) {
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
  throw UsageError("format '{}': '{}' is no parameter of it, wanted one of {}{}", excerpt(text),
                   excerpt(word), join(accepted, ", "), did_you_mean(word, accepted));
}

// What only the whole format shows: a scale type or an overflow rule without what they are about.
void check_combination(std::string_view text, const BlockFormat& format,
                       const std::vector<const Parameter*>& given) {
  auto has = [&](std::string_view name) {
    return std::any_of(given.begin(), given.end(), [&](const Parameter* p) { return p->name == name; });
  };
  if (has("scale type") && !format.has_scale()) {
    throw UsageError("format '{}': it has no scale to store; give :tensor, :row or :group=N as well",
                     excerpt(text));
  }
  if (!std::holds_alternative<FloatGrid>(format.grid) || format.overflow != Overflow::infinite) return;
  if (format.has_scale() && has("overflow")) {
    throw UsageError("format '{}': with a scale the largest value is the largest code: nothing becomes Inf",
                     excerpt(text));
  }
  if (std::get<FloatGrid>(format.grid).kind == FloatKind::finite) {
    throw UsageError("format '{}': {} has neither Inf nor NaN: what overflows saturates", excerpt(text),
                     catalog_name(format).empty() ? "a finite grid" : catalog_name(format));
  }
}

std::string base_name(const BlockFormat& format) {
  std::string name = catalog_name(format);
  if (!name.empty()) return name;
  const FloatGrid& grid = std::get<FloatGrid>(format.grid);
  return fmt::format("e{}m{}:{}", grid.exponent_bits, grid.mantissa_bits, name_of(grid.kind));
}

}  // namespace

std::string_view name_of(FloatKind kind) {
  for (const KindWord& word : kKinds) {
    if (word.kind == kind) return word.word;
  }
  FQ_CHECK(!"a kind without a name");
}

std::string canonical_name(const BlockFormat& format) {
  std::string name = base_name(format);
  if (std::holds_alternative<FloatGrid>(format.grid) && std::get<FloatGrid>(format.grid) == kF32) return name;
  for (const Parameter& parameter : format_parameters()) {
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
  for (const Parameter& parameter : format_parameters()) {
    if (!parameter.applies(defaults)) continue;
    // A finite grid has nowhere to go: of the words for overflow it takes the default alone.
    bool only_saturates = std::string_view(parameter.name) == "overflow" &&
                          std::get<FloatGrid>(defaults.grid).kind == FloatKind::finite;
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
    throw UsageError("format '{}': {} takes no parameters, found '{}'", excerpt(text), parts[0],
                     excerpt(parts[1]));
  }
  if (format.is_ggml()) return format;
  auto& block = std::get<BlockFormat>(format.kind);
  std::vector<const Parameter*> given;
  for (size_t i = 1; i < parts.size(); ++i) {
    const Parameter& parameter = apply_parameter(text, parts[i], block);
    if (std::find(given.begin(), given.end(), &parameter) != given.end()) {
      throw UsageError("format '{}': its {} is given twice, the second time as '{}'", excerpt(text),
                       parameter.name, excerpt(parts[i]));
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
    if (trim(part).empty()) throw UsageError("format list '{}': an item is empty", excerpt(text));
    Format format = parse_format(part);
    if (std::find(formats.begin(), formats.end(), format) != formats.end()) {
      throw UsageError("format list '{}': {} is given twice", excerpt(text), format.name);
    }
    formats.push_back(std::move(format));
  }
  return formats;
}

}  // namespace fakequant
