#include "cli/format_page.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "cli/format_drawing.h"
#include "cli/format_facts.h"
#include "cli/table.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

constexpr size_t kPageWidth = 100;
constexpr size_t kIndent = 22;  // of the facts
constexpr size_t kWidestValues = 110;

void print_title(const std::string& text) {
  bool bold = terminal_styles();
  fmt::print("{}{}{}\n\n", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
}

void print_fact(std::string_view name, std::string_view text) {
  if (!text.empty())
    fmt::print("  {:<{}}{}\n", name, kIndent - 2,
               wrapped(text, {.width = kPageWidth, .indent = kIndent, .used = kIndent}));
}

std::string power_text(double value, int exponent) {
  return exponent >= -1 && exponent <= 0 ? figure(value) : fmt::format("{} = 2^{}", figure(value), exponent);
}

// 448 = 1.75 x 2^8; 65504 = (2 - 2^-10) x 2^15.
std::string largest_text(const FloatGrid& grid) {
  int exponent = grid.top_value_exponent();
  double significand = std::ldexp(grid.max_value(), -exponent);
  std::string exact = fmt::format("{}", significand);
  if (exact.size() > 6)
    exact = fmt::format("(2 - 2^-{})", grid.mantissa_bits - (grid.kind == FloatKind::fn ? 1 : 0));
  std::string times = significand == 1 ? "" : fmt::format("{} x ", exact);
  return fmt::format("{} = {}2^{}", figure(grid.max_value()), times, exponent);
}

void print_float_grid(const BlockFormat& format, const FloatGrid& grid) {
  print_fact("layout", fmt::format("1 sign, {} exponent and {} mantissa bits, bias {}; kind {}",
                                   grid.exponent_bits, grid.mantissa_bits, grid.bias, name_of(grid.kind)));
  print_fact(format.has_scale() ? "largest code" : "largest value", largest_text(grid));
  print_fact("smallest normal", power_text(grid.min_normal(), grid.min_exponent()));
  if (grid.mantissa_bits > 0)
    print_fact("smallest subnormal", power_text(grid.min_subnormal(), grid.min_subnormal_exponent()));
  std::vector<std::string> has;
  std::vector<std::string> lacks;
  auto sort_in = [&](bool is_there, const char* name) { (is_there ? has : lacks).emplace_back(name); };
  sort_in(grid.has_infinity(), "Inf");
  sort_in(grid.has_nan(), "NaN");
  sort_in(grid.kind != FloatKind::fnuz, "-0");
  std::string no = lacks.empty() ? "" : fmt::format("; no {}", join(lacks, ", no "));
  print_fact("special values", join(has, ", ") + no);
}

void print_integer_grid(const BlockFormat& format, const IntegerGrid& grid) {
  CodeRange range = code_range(format);
  std::string codes = fmt::format("{} to {}", figure(range.lowest), figure(range.largest));
  if (format.scale_type == ScaleType::e8m0) {
    print_fact("codes", fmt::format("{}-bit integers, in steps of 1/64: {}", grid.bits, codes));
    return;
  }
  const char* scheme = grid.scheme == IntegerScheme::restricted ? "restricted"
                       : grid.scheme == IntegerScheme::full     ? "full"
                                                                : "asym: less a zero point in the same range";
  print_fact("codes", fmt::format("{} ({})", codes, scheme));
}

void print_grid(const BlockFormat& format) {
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) return print_float_grid(format, *grid);
  if (const auto* grid = std::get_if<IntegerGrid>(&format.grid)) return print_integer_grid(format, *grid);
  print_fact("codes", "16 levels from -1 to 1");
}

void print_indented(const std::string& text) {
  for (const std::string& line : split(text, '\n')) fmt::print("{}{}\n", line.empty() ? "" : "  ", line);
}

std::string cell_of(const BlockFormat& format, const Code& code, int hex_digits, size_t value_width) {
  return fmt::format("{:0{}x}  {}  {:>{}}", code.bits, hex_digits, code_text(format, code.bits),
                     std::isnan(code.value)   ? "NaN"
                     : std::isinf(code.value) ? (code.value > 0 ? "Inf" : "-Inf")
                                              : fmt::format("{}", code.value),
                     value_width);
}

}  // namespace

void print_page(const Format& format) {
  const CatalogEntry& entry = entry_of(format);
  print_title(fmt::format("{}: {}", format.name, summary_of(format)));
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  if (block != nullptr) {
    print_grid(*block);
    print_fact("overflow", overflow_text(*block));
    if (!format.leaves_values())
      print_fact("rounding", fmt::format("{}: {}", name_of(block->rounding), rounding_text(*block)));
    print_fact("scale", scale_text(*block));
  } else {
    print_fact("block", block_text(format) + " values of a row");
    std::string importance = importance_text(format);
    print_fact("importance matrix", importance.empty() ? "not used" : importance);
  }
  std::string formula = bits_formula(format);
  std::string bits = bits_text(format);
  print_fact("bits per weight",
             block != nullptr && !block->has_scale() ? bits : fmt::format("{}: {}", bits, formula));
  std::string repetition = repetition_note(format);
  print_fact("rounding again", repetition.empty() ? "changes nothing" : repetition);
  print_fact("used by", entry.used_by);
  print_fact("sources", entry.sources);
  if (block != nullptr) {
    fmt::print("\n");
    print_indented(drawing_of(*block));
  } else {
    fmt::print("\n");
  }
  fmt::print("{}\n", wrapped(entry.note, {.width = kPageWidth}));
  std::vector<ParameterHelp> parameters = parameters_of(format);
  fmt::print("\n{}\n", parameters.empty() ? "It takes no parameters." : "Parameters:");
  for (const ParameterHelp& parameter : parameters) {
    constexpr size_t kColumn = 32;
    fmt::print("  {:<{}}{}\n", parameter.spelling, kColumn - 2,
               wrapped(parameter.meaning, {.width = kPageWidth, .indent = kColumn, .used = kColumn}));
  }
}

void check_values(const Format& format) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  if (block == nullptr) {
    throw UsageError("--values: what a code of {} stands for is ggml's affair and depends on its block",
                     format.name);
  }
  int bits = code_bits(block->grid);
  if (bits > kMostPrintedBits) {
    throw UsageError(
        "--values: {} has {} codes of {} bits; only formats of at most {} bits per code are listed",
        format.name, format_count(uint64_t{1} << bits), bits, kMostPrintedBits);
  }
}

void print_values(const BlockFormat& format) {
  std::vector<Code> codes = codes_of(format);
  size_t value_width = 0;
  int hex_digits = (code_bits(format.grid) + 3) / 4;
  for (const Code& code : codes) {
    value_width = std::max(value_width, fmt::format("{}", code.value).size());
  }
  size_t width = cell_of(format, codes[0], hex_digits, value_width).size();
  // At most as many columns as fit, and none shorter than eight.
  size_t columns = 1;
  while (columns * 2 * (width + 3) - 1 <= kWidestValues && codes.size() / (columns * 2) >= 8) columns *= 2;
  size_t rows = (codes.size() + columns - 1) / columns;
  print_title(fmt::format("{}: {} codes in hexadecimal and in bits, with their values{}{}",
                          canonical_name(format), codes.size(),
                          format.has_scale() ? " in units of the scale" : "",
                          format.has_zero_point() ? "\nbefore the zero point is taken off" : ""));
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = row; i < codes.size(); i += rows) {
      fmt::print("{}{}", i == row ? "  " : "   ", cell_of(format, codes[i], hex_digits, value_width));
    }
    fmt::print("\n");
  }
}

}  // namespace fakequant::cli
