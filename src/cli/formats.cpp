// fakequant formats: the catalog as a table, or one format in full.

#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

// Bits per weight in words, since a scale's share can depend on the row.
std::string bits_text(const Format& format) {
  if (const auto* type = std::get_if<TensorType>(&format.kind))
    return fmt::format("{:g}", bits_per_weight(*type));
  const auto& block = std::get<BlockFormat>(format.kind);
  // One block, whatever its length.
  int64_t length = block.extent == ScaleExtent::group ? block.group_values : 1;
  BitsPerWeight one = stored_bits(format, length, length);
  if (block.extent == ScaleExtent::none || block.extent == ScaleExtent::group)
    return fmt::format("{:.6g}", one.value());
  uint64_t code_bits = static_cast<uint64_t>(std::get<IntegerGrid>(block.grid).bits);
  return fmt::format("{} + {} per {}", code_bits, one.bits - code_bits,
                     block.extent == ScaleExtent::row ? "row" : "tensor");
}

// The exact ratio where it does not depend on the tensor's shape.
Json bits_json(const Format& format) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  if (block != nullptr && (block->extent == ScaleExtent::row || block->extent == ScaleExtent::tensor))
    return nullptr;
  int64_t length = block == nullptr ? facts_of(std::get<TensorType>(format.kind)).block_values
                   : block->extent == ScaleExtent::group ? block->group_values
                                                         : 1;
  return stored_bits(format, length, length).value();
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
  return "";
}

std::string importance_text(const Format& format) {
  const auto* type = std::get_if<TensorType>(&format.kind);
  if (type == nullptr) return "";
  return needs_importance(*type) ? "needed" : uses_importance(*type) ? "used" : "";
}

void print_table() {
  using enum Table::Align;
  Table table({{"format", left},
               {"bits per weight", right},
               {"block", right},
               {"imatrix", left},
               {"what it is", left}});
  for (const CatalogEntry& entry : catalog()) {
    table.add({entry.name, bits_text(entry.format), block_text(entry.format), importance_text(entry.format),
               entry.summary});
  }
  fmt::print("{}", table.text(terminal_styles()));
  fmt::print(
      "\nA format may carry parameters: bf16:rtz, int4:group=32:asym. `fakequant formats NAME` shows those "
      "of one format.\n"
      "Types of ggml are computed by ggml itself (llama.cpp {}).\n",
      llama_version());
}

void print_float_grid(const FloatGrid& grid) {
  fmt::print("  layout            1 sign, {} exponent and {} mantissa bits, bias {}\n", grid.exponent_bits,
             grid.mantissa_bits, grid.bias);
  fmt::print("  largest value     {}\n", grid.max_value());
  fmt::print("  smallest normal   {} (2^{})\n", grid.min_normal(), grid.min_exponent());
  fmt::print("  smallest value    {} (2^{})\n", grid.min_subnormal(), grid.min_subnormal_exponent());
  fmt::print("  relative step     2^-{}\n", grid.mantissa_bits);
  std::vector<std::string> specials;
  if (grid.has_infinity()) specials.emplace_back("Inf");
  if (grid.has_nan()) specials.emplace_back("NaN");
  if (grid.kind != FloatKind::fnuz) specials.emplace_back("-0");
  specials.emplace_back("subnormals");
  fmt::print("  has               {}\n", join(specials, ", "));
}

void print_integer_grid(const IntegerGrid& grid) {
  int half = (1 << (grid.bits - 1)) - 1;
  switch (grid.scheme) {
    case IntegerScheme::restricted:
      fmt::print("  codes             -{} to {} (restricted)\n", half, half);
      break;
    case IntegerScheme::full:
      fmt::print("  codes             -{} to {} (full)\n", half + 1, half);
      break;
    case IntegerScheme::asym:
      fmt::print("  codes             0 to {}, and a zero point in the same range (asym)\n", 2 * half + 1);
      break;
  }
}

void print_one(const Format& format) {
  const CatalogEntry& entry = entry_of(format);
  fmt::print("{}: {}\n\n", format.name, entry.summary);
  fmt::print("  bits per weight   {}\n", bits_text(format));
  fmt::print("  values per scale  {}\n",
             entry.family == FormatFamily::scalar ? "no scale" : block_text(format));
  if (const auto* block = std::get_if<BlockFormat>(&format.kind)) {
    if (const auto* grid = std::get_if<FloatGrid>(&block->grid)) print_float_grid(*grid);
    if (const auto* grid = std::get_if<IntegerGrid>(&block->grid)) print_integer_grid(*grid);
  }
  if (!importance_text(format).empty()) fmt::print("  importance matrix {}\n", importance_text(format));
  fmt::print("\n{}\n", entry.note);
  std::vector<ParameterHelp> parameters = parameters_of(format);
  fmt::print("\n{}\n", parameters.empty() ? "Takes no parameters." : "Parameters:");
  for (const ParameterHelp& parameter : parameters)
    fmt::print("  {:<28} {}\n", parameter.spelling, parameter.meaning);
}

Json json_of(const Format& format) {
  const CatalogEntry& entry = entry_of(format);
  Json result{{"name", entry.name},
              {"full_name", format.name},
              {"family", name_of(entry.family)},
              {"summary", entry.summary},
              {"bits_per_weight", bits_json(format)},
              {"bits", bits_text(format)},
              {"block", block_text(format)},
              {"importance_matrix", importance_text(format)},
              {"note", entry.note},
              {"parameters", Json::array()}};
  for (const ParameterHelp& parameter : parameters_of(format)) {
    result["parameters"].push_back({{"spelling", parameter.spelling}, {"meaning", parameter.meaning}});
  }
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  const auto* grid = block != nullptr ? std::get_if<FloatGrid>(&block->grid) : nullptr;
  if (grid != nullptr) {
    result["exponent_bits"] = grid->exponent_bits;
    result["mantissa_bits"] = grid->mantissa_bits;
    result["largest"] = grid->max_value();
    result["smallest_normal"] = grid->min_normal();
    result["smallest_subnormal"] = grid->min_subnormal();
  }
  return result;
}

int run(const std::string& name, const CommonOptions& common) {
  check_json_target(common, {});
  Json formats = Json::array();
  if (name.empty()) {
    if (common.prints_text()) print_table();
    for (const CatalogEntry& entry : catalog()) formats.push_back(json_of(entry.format));
  } else {
    Format format = parse_format(name);
    if (common.prints_text()) print_one(format);
    formats.push_back(json_of(format));
  }
  write_json(common, [&] { return Json{{"schema_version", kSchemaVersion}, {"formats", formats}}; });
  return kDone;
}

}  // namespace

std::function<int()> add_formats(CLI::App& app, CommonOptions& common) {
  auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "One format, with or without parameters: bf16, int4:group=32");
  return [name, &common] { return run(*name, common); };
}

}  // namespace fakequant::cli
