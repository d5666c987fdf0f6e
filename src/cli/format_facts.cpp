#include "cli/format_facts.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "engine/codec.h"
#include "formats/catalog.h"
#include "formats/fake_quantize.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

constexpr size_t kLongestFigure = 12;

const FloatGrid* float_grid_of(const BlockFormat& format) {
  return std::get_if<FloatGrid>(&format.grid);
}

// The number of values that share a scale where it is known without the tensor.
uint64_t fixed_block(const BlockFormat& format) {
  return format.extent == ScaleExtent::group ? static_cast<uint64_t>(format.group_values) : 1;
}

// " per row", or " per 32".
std::string per_scale(const BlockFormat& format) {
  return fmt::format(" per {}", block_text({"", format}));
}

// What a finite grid or saturation makes of what overflows, and what Inf or NaN would be.
std::string overflowed_word(const FloatGrid& grid) {
  return grid.has_infinity() ? "Inf" : "NaN";
}

// Where `rounding` to nearest begins to overflow: "from 65520", "above 464".
std::string beginning(const FloatGrid& grid, Rounding rounding) {
  OverflowPoint point = *overflow_point(grid);
  bool included = point.is_included || rounding == Rounding::rna;
  return fmt::format("{} {}", included ? "from" : "above", figure(point.from));
}

// Scalars under :inf.
std::string infinite_text(const FloatGrid& grid, Rounding rounding) {
  std::string word = overflowed_word(grid);
  std::string largest = figure(grid.max_value());
  switch (rounding) {
    case Rounding::rne:
    case Rounding::rna:
      return fmt::format("{} {}", word, beginning(grid, rounding));
    case Rounding::rtz:
      return fmt::format("finite values give {} at most", largest);
    case Rounding::sr:
      return fmt::format("{} or {} above {}, at random", largest, word, largest);
  }
  FQ_CHECK(!"a rounding without words");
}

std::string scalar_overflow(const BlockFormat& format) {
  const FloatGrid& grid = *float_grid_of(format);
  if (grid == kF32) return "none: every value stays";
  std::string largest = figure(grid.max_value());
  if (format.overflow == Overflow::infinite) {
    return fmt::format("{}; an infinite input {}; with :sat both give {}",
                       infinite_text(grid, format.rounding),
                       grid.has_infinity() ? "stays Inf" : "becomes NaN", largest);
  }
  std::string text = fmt::format("saturates: what is beyond {} becomes {}, Inf too", largest, largest);
  if (grid.kind == FloatKind::finite) return text;
  return fmt::format("{}; with :inf {}", text, infinite_text(grid, format.rounding));
}

// Where values clip under a scale of the MX kind.
std::string power_overflow(const BlockFormat& format) {
  constexpr const char* kSpoiled = "a NaN or Inf makes its block NaN";
  const FloatGrid* grid = float_grid_of(format);
  double largest = code_range(format).largest;
  double next = std::ldexp(1.0, grid != nullptr ? grid->top_value_exponent() + 1 : 1);
  int mantissa_bits = grid != nullptr ? grid->mantissa_bits : 6;
  switch (format.scale_rule) {
    case ScaleRule::floor:
      break;
    case ScaleRule::ceil:
    case ScaleRule::rceil:
      return fmt::format("none: the scale is large enough for amax; {}", kSpoiled);
    case ScaleRule::even:
      next *= 1 - std::ldexp(1.0, -mantissa_bits - 2);
      break;
  }
  return fmt::format("saturates: from {} to {} times the scale becomes {} times the scale; {}",
                     figure(largest), figure(next), figure(largest), kSpoiled);
}

std::string scaled_overflow(const BlockFormat& format) {
  constexpr const char* kInfinite = "Inf becomes the outermost code of its sign";
  if (format.scale_type == ScaleType::e8m0) return power_overflow(format);
  if (format.scale_type == ScaleType::e4m3_tensor)
    return fmt::format("codes saturate at 6, block scales at 448; {}", kInfinite);
  const auto* integers = std::get_if<IntegerGrid>(&format.grid);
  if (integers != nullptr && integers->scheme == IntegerScheme::full)
    return fmt::format("the largest value clips by half a step; {}", kInfinite);
  if (format.has_zero_point())
    return fmt::format("an end of the range may clip by up to half a step; {}", kInfinite);
  if (format.scale_type != ScaleType::f32)
    return fmt::format("amax may clip where the stored scale is rounded down; {}", kInfinite);
  return fmt::format("none: amax is the outermost code; {}", kInfinite);
}

std::string power_rule_text(const BlockFormat& format) {
  const FloatGrid* grid = float_grid_of(format);
  int exponent = grid != nullptr ? grid->top_value_exponent() : 0;
  std::string minus = exponent == 0 ? "" : fmt::format(" - {}", exponent);
  auto power = [&](const char* logarithm) {
    return exponent == 0 ? fmt::format("2^{}", logarithm) : fmt::format("2^({}{})", logarithm, minus);
  };
  switch (format.scale_rule) {
    case ScaleRule::floor:
      return power("floor(log2 amax)");
    case ScaleRule::ceil:
      return power("ceil(log2 amax)");
    case ScaleRule::rceil:
      return fmt::format("2^ceil(log2(amax / {}))", figure(code_range(format).largest));
    case ScaleRule::even:
      return power("floor(log2 a)") + fmt::format(", a = amax rounded to {} significant bits, halves up",
                                                  grid != nullptr ? grid->mantissa_bits + 1 : 7);
  }
  FQ_CHECK(!"a scale rule without words");
}

std::string stored_as(ScaleType type) {
  switch (type) {
    case ScaleType::f32:
      return "F32";
    case ScaleType::f16:
      return "F16";
    case ScaleType::bf16:
      return "BF16";
    case ScaleType::e8m0:
      return "E8M0, a power of two from 2^-127 to 2^127";
    case ScaleType::e4m3_tensor:
      return "E4M3, besides an F32 for the tensor";
  }
  FQ_CHECK(!"a scale type without words");
}

std::string binary(uint32_t bits, int count) {
  return count == 0 ? "" : fmt::format("{:0{}b}", bits & ((1u << count) - 1), count);
}

}  // namespace

std::string figure(double value) {
  std::string exact = fmt::format("{}", value);
  if (exact.size() <= kLongestFigure && exact.find('e') == std::string::npos) return exact;
  std::string rounded = fmt::format("{:.5g}", value);
  size_t plus = rounded.find("e+");
  if (plus != std::string::npos) rounded.erase(plus + 1, 1);
  return rounded;
}

std::optional<double> fixed_bits_per_weight(const Format& format) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  if (block == nullptr) return bits_per_weight(std::get<TensorType>(format.kind));
  bool by_shape = block->extent == ScaleExtent::row || block->extent == ScaleExtent::tensor ||
                  stored_parts(*block).tensor_bits > 0;
  if (by_shape) return std::nullopt;
  auto length = static_cast<int64_t>(fixed_block(*block));
  return stored_bits(format, length, length).value();
}

std::string summary_of(const Format& format) {
  const CatalogEntry& entry = entry_of(format);
  if (&entry != &generic_float_entry()) return entry.summary;
  const auto& grid = std::get<FloatGrid>(std::get<BlockFormat>(format.kind).grid);
  return fmt::format("a float of {} exponent and {} mantissa bits, kind {}", grid.exponent_bits,
                     grid.mantissa_bits, fakequant::name_of(grid.kind));
}

std::string bits_text(const Format& format) {
  if (std::optional<double> fixed = fixed_bits_per_weight(format)) return figure(*fixed);
  const auto& block = std::get<BlockFormat>(format.kind);
  StoredParts parts = stored_parts(block);
  uint64_t scale = parts.scale_bits + parts.zero_point_bits;
  if (parts.tensor_bits == 0) return fmt::format("{} + {}{}", parts.code_bits, scale, per_scale(block));
  auto values = static_cast<double>(fixed_block(block));
  return fmt::format("{} + {} per tensor",
                     figure(static_cast<double>(parts.code_bits) + static_cast<double>(scale) / values),
                     parts.tensor_bits);
}

std::string bits_formula(const Format& format) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  if (block == nullptr) {
    const TypeFacts& facts = facts_of(std::get<TensorType>(format.kind));
    return fmt::format("{} bytes per {}", facts.block_bytes, facts.block_values);
  }
  StoredParts parts = stored_parts(*block);
  std::string text = fmt::format("{} of code", parts.code_bits);
  if (parts.scale_bits > 0) {
    text += fmt::format(" + {} of scale", parts.scale_bits);
    if (parts.zero_point_bits > 0) text += fmt::format(" and {} of zero point", parts.zero_point_bits);
    text += per_scale(*block);
  }
  if (parts.tensor_bits > 0) text += fmt::format(" + {} of scale per tensor", parts.tensor_bits);
  return text;
}

std::string block_text(const Format& format) {
  if (const auto* type = std::get_if<TensorType>(&format.kind))
    return fmt::format("{}", facts_of(*type).block_values);
  const auto& block = std::get<BlockFormat>(format.kind);
  switch (block.extent) {
    case ScaleExtent::none:
      return "1";
    case ScaleExtent::tensor:
      return "tensor";
    case ScaleExtent::row:
      return "row";
    case ScaleExtent::group:
      return fmt::format("{}", block.group_values);
  }
  FQ_CHECK(!"a scale of no extent");
}

std::string importance_text(const Format& format) {
  const auto* type = std::get_if<TensorType>(&format.kind);
  if (type == nullptr) return "";
  return needs_importance(*type) ? "needed" : uses_importance(*type) ? "used" : "";
}

CodeRange code_range(const BlockFormat& format) {
  if (const FloatGrid* grid = float_grid_of(format)) return {-grid->max_value(), grid->max_value()};
  if (std::holds_alternative<LevelGrid>(format.grid)) return {-1, 1};
  const auto& grid = std::get<IntegerGrid>(format.grid);
  double half = std::ldexp(1.0, grid.bits - 1);
  double unit = format.scale_type == ScaleType::e8m0 ? 1.0 / 64 : 1.0;
  switch (grid.scheme) {
    case IntegerScheme::restricted:
      return {(1 - half) * unit, (half - 1) * unit};
    case IntegerScheme::full:
      return {-half * unit, (half - 1) * unit};
    case IntegerScheme::asym:
      return {0, (2 * half - 1) * unit};
  }
  FQ_CHECK(!"an integer scheme without a range");
}

std::string rounding_text(const BlockFormat& format) {
  // Levels have no even ones.
  bool levels = std::holds_alternative<LevelGrid>(format.grid);
  switch (format.rounding) {
    case Rounding::rne:
      return levels ? "to nearest, ties to the lower level" : "to nearest, ties to even";
    case Rounding::rtz:
      return format.has_scale() ? "toward zero, but for values that a code restores exactly" : "toward zero";
    case Rounding::rna:
      return "to nearest, ties away from zero";
    case Rounding::sr:
      return "stochastic: to a neighbour at random, the nearer the likelier, so that the mean is the value; "
             "decided by --seed, the tensor's name and the value's place in it";
  }
  FQ_CHECK(!"a rounding without words");
}

std::string scale_type_word(ScaleType type) {
  switch (type) {
    case ScaleType::f32:
      return "f32";
    case ScaleType::f16:
      return "f16";
    case ScaleType::bf16:
      return "bf16";
    case ScaleType::e8m0:
      return "e8m0";
    case ScaleType::e4m3_tensor:
      return "e4m3 x f32";
  }
  FQ_CHECK(!"a scale type without a name");
}

std::string scale_rule_text(const BlockFormat& format) {
  if (format.scale_type == ScaleType::e8m0) return power_rule_text(format);
  if (format.scale_type == ScaleType::e4m3_tensor)
    return "E4M3(block amax / (6 x tensor scale)) x tensor scale, tensor scale = amax / 2688";
  if (std::holds_alternative<LevelGrid>(format.grid)) return "amax";
  if (float_grid_of(format) != nullptr) return fmt::format("amax / {}", figure(code_range(format).largest));
  const auto& grid = std::get<IntegerGrid>(format.grid);
  double codes = std::ldexp(1.0, grid.bits) - 1;
  switch (grid.scheme) {
    case IntegerScheme::restricted:
      return fmt::format("amax / {}", figure(code_range(format).largest));
    case IntegerScheme::full:
      return fmt::format("amax / {}", figure(codes / 2));
    case IntegerScheme::asym:
      return fmt::format("(max - min) / {}, the range widened to hold 0", figure(codes));
  }
  FQ_CHECK(!"an integer scheme without a rule");
}

std::string scale_text(const BlockFormat& format) {
  if (!format.has_scale()) return "none: every value by itself";
  std::string shared = format.extent == ScaleExtent::group
                           ? fmt::format("{} values of a row", format.group_values)
                       : format.extent == ScaleExtent::row ? "a row"
                                                           : "the tensor";
  return fmt::format("one for {}: {}; stored as {}", shared, scale_rule_text(format),
                     stored_as(format.scale_type));
}

std::optional<OverflowPoint> overflow_point(const FloatGrid& grid) {
  if (grid.kind == FloatKind::finite || grid == kF32) return std::nullopt;
  double half_step = std::ldexp(0.5, grid.top_value_exponent() - grid.mantissa_bits);
  double from = grid.max_value() + half_step;
  // Which way the tie goes the arithmetic itself knows.
  auto value = static_cast<float>(from);
  fake_quantize_rows({.grid = grid, .overflow = Overflow::infinite}, 1, {}, {&value, 1});
  return OverflowPoint{from, !std::isfinite(value)};
}

std::string overflow_text(const BlockFormat& format) {
  return format.has_scale() ? scaled_overflow(format) : scalar_overflow(format);
}

std::string code_text(const BlockFormat& format, uint32_t bits) {
  const FloatGrid* grid = float_grid_of(format);
  if (grid == nullptr) return binary(bits, code_bits(format.grid));
  std::string text = fmt::format("{} {}", binary(bits >> (grid->code_bits() - 1), 1),
                                 binary(bits >> grid->mantissa_bits, grid->exponent_bits));
  return grid->mantissa_bits == 0 ? text : fmt::format("{} {}", text, binary(bits, grid->mantissa_bits));
}

}  // namespace fakequant::cli
