// fakequant formats: the catalog as a table, or formats in full, for a person or as JSON.

#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/format_facts.h"
#include "cli/format_page.h"
#include "cli/json.h"
#include "cli/table.h"
#include "engine/codec.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

// --- The table: one for each family, with the columns that tell its formats apart

// A cell of an entry's row.
struct TableColumn {
  const char* header;
  Table::Align align;
  std::string (*text)(const CatalogEntry&);
};

const BlockFormat& block_of(const CatalogEntry& entry) {
  return std::get<BlockFormat>(entry.format.kind);
}

std::string bits_cell(const CatalogEntry& entry) {
  std::string text = bits_text(entry.format);
  size_t per = text.find(" per ");
  return per == std::string::npos ? text : text.replace(per, 5, "/");
}
std::string block_cell(const CatalogEntry& entry) {
  return block_text(entry.format);
}
std::string largest_cell(const CatalogEntry& entry) {
  return figure(code_range(block_of(entry)).largest);
}
std::string smallest_cell(const CatalogEntry& entry) {
  return fmt::format("2^{}", std::get<FloatGrid>(block_of(entry).grid).min_subnormal_exponent());
}
std::string importance_cell(const CatalogEntry& entry) {
  return importance_text(entry.format);
}

struct TableSection {
  FormatFamily family;
  const char* heading;  // of the names
  std::vector<TableColumn> columns;
};

const std::vector<TableSection>& sections() {
  using enum Table::Align;
  static const std::vector<TableSection> table{
      {FormatFamily::scalar,
       "scalars",
       {{"bits per weight", right, bits_cell},
        {"largest", right, largest_cell},
        {"smallest", right, smallest_cell}}},
      {FormatFamily::integer,
       "integers",
       {{"bits per weight", right, bits_cell},
        {"block", right, block_cell},
        {"largest", right, largest_cell}}},
      {FormatFamily::block,
       "blocks",
       {{"bits per weight", right, bits_cell},
        {"block", right, block_cell},
        {"largest", right, largest_cell}}},
      {FormatFamily::ggml,
       "ggml types",
       {{"bits per weight", right, bits_cell},
        {"block", right, block_cell},
        {"imatrix", left, importance_cell}}},
  };
  return table;
}

// Integers differ by n alone: one line for all.
void add_integers(Table& table) {
  std::string first;
  std::string last;
  for (const CatalogEntry& entry : catalog()) {
    if (entry.family != FormatFamily::integer) continue;
    if (first.empty()) first = entry.name;
    last = entry.name;
  }
  table.add({fmt::format("{} ... {}", first, last), "n + 32/row", "row", "2^(n-1)-1",
             "integers of n bits, a scale per row, group or tensor"});
}

void print_section(const TableSection& section) {
  using enum Table::Align;
  constexpr size_t kNameWidth = 14;
  std::vector<Table::Column> columns{{fmt::format("{:<{}}", section.heading, kNameWidth), left}};
  for (const TableColumn& column : section.columns) columns.push_back({column.header, column.align});
  columns.push_back({"what it is", left});
  Table table(std::move(columns));
  if (section.family == FormatFamily::integer) add_integers(table);
  for (const CatalogEntry& entry : catalog()) {
    if (entry.family != section.family || entry.family == FormatFamily::integer) continue;
    std::vector<std::string> row{entry.name};
    for (const TableColumn& column : section.columns) row.push_back(column.text(entry));
    row.push_back(entry.summary);
    table.add(std::move(row));
  }
  if (section.family == FormatFamily::scalar) {
    const CatalogEntry& generic = generic_float_entry();
    table.add({generic.name + ":KIND", "1 + X + Y", "", "", generic.summary});
  }
  fmt::print("{}\n", table.text(terminal_styles()));
}

void print_table() {
  for (const TableSection& section : sections()) print_section(section);
  fmt::print(
      "Parameters follow a colon: bf16:rtz, int4:group=32:asym, e4m3:row, mxfp4:scale=rceil. `fakequant "
      "formats NAME`\n"
      "shows those of a format, its range and grid, what it does at its edges, and who uses it.\n"
      "Types of ggml are computed by ggml itself (llama.cpp {}).\n",
      llama_version());
}

// --- JSON

Json grid_json(const BlockFormat& format) {
  CodeRange range = code_range(format);
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) {
    return {{"kind", name_of(grid->kind)},
            {"exponent_bits", grid->exponent_bits},
            {"mantissa_bits", grid->mantissa_bits},
            {"bias", grid->bias},
            {"lowest", range.lowest},
            {"largest", range.largest},
            {"smallest_normal", grid->min_normal()},
            {"smallest_subnormal", grid->min_subnormal()},
            {"has_inf", grid->has_infinity()},
            {"has_nan", grid->has_nan()},
            {"has_negative_zero", grid->kind != FloatKind::fnuz}};
  }
  bool levels = std::holds_alternative<LevelGrid>(format.grid);
  Json result{{"kind", levels ? "levels" : "integer"},
              {"lowest", range.lowest},
              {"largest", range.largest},
              {"has_inf", false},
              {"has_nan", false},
              {"has_negative_zero", false}};
  if (levels) result["levels"] = levels_of(std::get<LevelGrid>(format.grid).table);
  return result;
}

Json scale_json(const BlockFormat& format) {
  if (!format.has_scale()) return nullptr;
  StoredParts parts = stored_parts(format);
  return {{"type", scale_type_word(format.scale_type)},
          {"rule", scale_rule_text(format)},
          {"bits", parts.scale_bits},
          {"zero_point_bits", parts.zero_point_bits},
          {"tensor_bits", parts.tensor_bits}};
}

Json overflow_json(const BlockFormat& format) {
  Json result{{"saturates", format.overflow == Overflow::saturate}, {"text", overflow_text(format)}};
  const auto* grid = std::get_if<FloatGrid>(&format.grid);
  if (format.has_scale() || grid == nullptr) return result;
  // Where rounding to nearest, ties to even, leaves the grid; null where nothing does.
  std::optional<OverflowPoint> point = overflow_point(*grid);
  result["from"] = point ? Json(point->from) : Json(nullptr);
  result["from_included"] = point ? Json(point->is_included) : Json(nullptr);
  return result;
}

void add_own(const Format& format, Json& result) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  result["code_bits"] = block != nullptr ? Json(stored_parts(*block).code_bits) : Json(nullptr);
  result["scale"] = block != nullptr ? scale_json(*block) : Json(nullptr);
  result["grid"] = block != nullptr ? grid_json(*block) : Json(nullptr);
  bool rounds = block != nullptr && !format.leaves_values();
  result["rounding"] = rounds ? Json(name_of(block->rounding)) : Json(nullptr);
  result["overflow"] = block != nullptr ? overflow_json(*block) : Json(nullptr);
  const auto* grid = block != nullptr ? std::get_if<FloatGrid>(&block->grid) : nullptr;
  if (grid == nullptr) return;
  result["exponent_bits"] = grid->exponent_bits;
  result["mantissa_bits"] = grid->mantissa_bits;
  result["largest"] = grid->max_value();
  result["smallest_normal"] = grid->min_normal();
  result["smallest_subnormal"] = grid->min_subnormal();
}

Json json_of(const Format& format) {
  const CatalogEntry& entry = entry_of(format);
  std::string repetition = repetition_note(format);
  std::optional<double> bits = fixed_bits_per_weight(format);
  Json result{{"name", entry.name},
              {"full_name", format.name},
              {"family", name_of(entry.family)},
              {"summary", summary_of(format)},
              {"bits_per_weight", bits ? Json(*bits) : Json(nullptr)},
              {"bits", bits_text(format)},
              {"bits_formula", bits_formula(format)},
              {"block", block_text(format)},
              {"importance_matrix", importance_text(format)},
              {"note", entry.note},
              {"used_by", entry.used_by},
              {"sources", entry.sources},
              {"idempotent", repetition.empty()},
              {"repetition_note", repetition},
              {"parameters", Json::array()}};
  for (const ParameterHelp& parameter : parameters_of(format)) {
    result["parameters"].push_back({{"spelling", parameter.spelling}, {"meaning", parameter.meaning}});
  }
  add_own(format, result);
  return result;
}

// JSON has no NaN and no Inf; here they are what a code stands for, not something missing.
Json value_json(float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Inf" : "-Inf";
  return static_cast<double>(value);
}

Json values_json(const BlockFormat& format) {
  Json values = Json::array();
  for (const Code& code : codes_of(format)) {
    values.push_back(
        {{"code", code.bits}, {"bits", code_text(format, code.bits)}, {"value", value_json(code.value)}});
  }
  return values;
}

// --- The command

struct FormatsOptions {
  std::vector<std::string> names;
  bool values = false;
};

void print_formats(const std::vector<Format>& formats, bool values) {
  for (size_t i = 0; i < formats.size(); ++i) {
    if (i > 0) fmt::print("\n");
    if (values) {
      print_values(std::get<BlockFormat>(formats[i].kind));
    } else {
      print_page(formats[i]);
    }
  }
}

int run(const FormatsOptions& options, const CommonOptions& common) {
  check_json_target(common, {});
  if (options.values && options.names.empty())
    throw UsageError("--values: of which format? Give its name as well, e2m1 say");
  std::vector<Format> formats;
  for (const std::string& name : options.names) {
    formats.push_back(parse_format(name));
    if (options.values) check_values(formats.back());
  }
  if (common.prints_text()) {
    if (formats.empty()) print_table();
    print_formats(formats, options.values);
  }
  write_json(common, [&] {
    Json list = Json::array();
    for (const Format& format : formats) {
      list.push_back(json_of(format));
      if (options.values) list.back()["values"] = values_json(std::get<BlockFormat>(format.kind));
    }
    if (formats.empty()) {
      for (const CatalogEntry& entry : catalog()) list.push_back(json_of(entry.format));
    }
    return Json{{"schema_version", kSchemaVersion}, {"formats", list}};
  });
  return kDone;
}

}  // namespace

std::function<int()> add_formats(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<FormatsOptions>();
  app.add_option(
      "NAME", options->names,
      "Formats to show in full, with or without parameters: bf16, e4m3:row, int4:group=32, e3m4:ieee");
  app.add_flag("--values", options->values,
               "Print every code of each NAME with its bits and value; formats of at most 8 bits per code");
  app.footer(
      "Examples:\n"
      "  fakequant formats                        every format in one line each\n"
      "  fakequant formats e4m3                   one in full: range, grid, edges, parameters, who uses it\n"
      "  fakequant formats mxfp4:scale=rceil      what a parameter changes\n"
      "  fakequant formats bf16 f16 tf32          several, one after the other\n"
      "  fakequant formats e5m3:ieee              a float of your own: exponent bits, mantissa bits, kind\n"
      "  fakequant formats e2m1 --values          what each code stands for\n"
      "  fakequant formats --json - | jq -r '.formats[] | [.name, .bits] | @tsv'");
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
