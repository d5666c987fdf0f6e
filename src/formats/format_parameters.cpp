#include "formats/format_parameters.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant {

namespace {

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

}  // namespace

std::string_view name_of(Rounding rounding) {
  for (const Word& word : kRoundings) {
    if (word.is_set({.grid = kF32, .rounding = rounding})) return word.word;
  }
  FQ_CHECK(!"a rounding without a name");
}

std::span<const Parameter> format_parameters() {
  return kParameters;
}

std::string word_in(const Parameter& parameter, const BlockFormat& format) {
  if (parameter.takes_group && format.extent == ScaleExtent::group)
    return fmt::format("{}{}", kGroupParameter, format.group_values);
  for (const Word& word : parameter.words) {
    if (word.is_set(format)) return word.word;
  }
  FQ_CHECK(!"a parameter without a word");
}

}  // namespace fakequant
