#include "formats/catalog.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

struct ScalarRow {
  const char* name;
  FloatGrid grid;
  Overflow overflow;
  const char* summary;
  const char* note;
};

constexpr ScalarRow kScalars[] = {
    {"f32", kF32, Overflow::infinite, "single precision: leaves every value as it is",
     "For use in recipes: the tensor is chosen and stays unrounded. IEEE 754-2019 binary32."},
    {"f16", kF16, Overflow::infinite, "half precision, largest value 65504",
     "IEEE 754-2019 binary16. With rne, magnitudes from 65520 become Inf; :sat gives 65504."},
    {"bf16", kBf16, Overflow::infinite, "bfloat16: F32 with a significand of 8 bits",
     "bf16:rtz clears the low 16 bits of each value, the algorithm of the experiment that this program grew "
     "from; "
     "a NaN keeps its sign and top payload and stays a NaN. With rne, values that round beyond 3.3895e38 "
     "become Inf."},
    {"tf32", kTf32, Overflow::infinite, "TensorFloat-32: F32 with a significand of 11 bits, 19 bits in all",
     "Tensor cores fed raw F32 ignore the low 13 bits (tf32:rtz); PTX cvt.rna.tf32.f32 rounds ties away "
     "(tf32:rna); "
     "emulations mostly round ties to even (tf32:rne). Counted as 19 bits per weight."},
};

struct GgmlRow {
  TensorType type;
  const char* summary;
};

using T = TensorType;
constexpr GgmlRow kGgmlTypes[] = {
    {T::Q8_0, "8-bit codes, F16 scale per 32"},
    {T::Q5_0, "5-bit codes, F16 scale per 32"},
    {T::Q5_1, "5-bit codes, F16 scale and minimum per 32"},
    {T::Q4_0, "4-bit codes, F16 scale per 32"},
    {T::Q4_1, "4-bit codes, F16 scale and minimum per 32"},
    {T::Q1_0, "signs, F16 scale per 128"},
    {T::Q2_0, "2-bit codes, F16 scale per 64"},
    {T::Q6_K, "6-bit codes, 8-bit scales per 16, F16 scale per 256"},
    {T::Q5_K, "5-bit codes, 6-bit scales and minima per 32, F16 pair per 256"},
    {T::Q4_K, "4-bit codes, 6-bit scales and minima per 32, F16 pair per 256"},
    {T::Q3_K, "3-bit codes, 6-bit scales per 16, F16 scale per 256"},
    {T::Q2_K, "2-bit codes, 4-bit scales and minima per 16, F16 pair per 256"},
    {T::IQ4_NL, "4-bit codes into a non-linear table, F16 scale per 32"},
    {T::IQ4_XS, "as iq4_nl with 6-bit scales per 32, F16 scale per 256"},
    {T::IQ3_S, "3-bit grid codes with signs, 4-bit scales per 32"},
    {T::IQ3_XXS, "3-bit grid codes, packed signs, 4-bit scales per 32"},
    {T::IQ2_S, "2-bit grid codes with signs, 4-bit scales per 16"},
    {T::IQ2_XS, "2-bit grid codes, packed signs, 4-bit scales per 16; needs an importance matrix"},
    {T::IQ2_XXS, "2-bit grid codes, packed signs, 4-bit scales per 32; needs an importance matrix"},
    {T::IQ1_M, "ternary grid codes, 3-bit scales per 16"},
    {T::IQ1_S, "ternary grid codes, 3-bit scales per 32; needs an importance matrix"},
    {T::TQ2_0, "ternary codes in 2 bits, F16 scale per 256"},
    {T::TQ1_0, "ternary codes, five to a byte, F16 scale per 256"},
    {T::MXFP4, "ggml's MXFP4: E2M1 codes, power-of-two scale per 32"},
    {T::NVFP4, "ggml's NVFP4: E2M1 codes, E4M3 scale per 16, no tensor scale"},
};

CatalogEntry scalar_entry(const ScalarRow& row) {
  BlockFormat block{.grid = row.grid, .overflow = row.overflow};
  return {row.name, FormatFamily::scalar, {canonical_name(block), block}, row.summary, row.note};
}

CatalogEntry integer_entry(int bits) {
  BlockFormat block{.grid = IntegerGrid{bits, IntegerScheme::restricted}, .extent = ScaleExtent::row};
  std::string summary = fmt::format("{}-bit integers with a scale per row, group or tensor", bits);
  std::string note =
      "restricted: scale = amax / Q with Q = 2^(n-1) - 1, codes -Q..Q (bitsandbytes, Q8_0). full: scale = "
      "amax / ((2^n - 1) / 2), "
      "codes -Q-1..Q, so the largest value clips (torch, torchao). asym: scale = (max - min) / (2^n - 1) "
      "over a range widened to hold 0, "
      "n-bit zero point. Codes are round(x * (1 / scale)) in F32, as torch and ggml compute them; there is "
      "no floor on "
      "the scale. NaN stays NaN; Inf becomes the largest code.";
  return {fmt::format("int{}", bits), FormatFamily::integer, {canonical_name(block), block}, summary, note};
}

CatalogEntry ggml_entry(const GgmlRow& row) {
  std::string name = lower_name(row.type);
  return {name,
          FormatFamily::ggml,
          {name, row.type},
          row.summary,
          "Computed by ggml itself: quantized by ggml_quantize_chunk and restored by ggml's own dequantizer, "
          "bit for bit "
          "what llama-quantize writes. Takes an importance matrix where ggml can use one."};
}

std::vector<CatalogEntry> build_catalog() {
  std::vector<CatalogEntry> entries;
  for (const ScalarRow& row : kScalars) entries.push_back(scalar_entry(row));
  for (int bits = 2; bits <= 16; ++bits) entries.push_back(integer_entry(bits));
  for (const GgmlRow& row : kGgmlTypes) entries.push_back(ggml_entry(row));
  return entries;
}

// One word that a parameter may be, and what it sets.
struct ParameterWord {
  const char* word;
  bool for_floats;
  bool for_integers;
  const char* group;  // two words of one group exclude each other
  void (*apply)(BlockFormat&);
};

void set_scheme(BlockFormat& format, IntegerScheme scheme) {
  std::get<IntegerGrid>(format.grid).scheme = scheme;
}

constexpr ParameterWord kParameterWords[] = {
    {"rne", true, true, "rounding", [](BlockFormat& f) { f.rounding = Rounding::rne; }},
    {"rtz", true, true, "rounding", [](BlockFormat& f) { f.rounding = Rounding::rtz; }},
    {"rna", true, true, "rounding", [](BlockFormat& f) { f.rounding = Rounding::rna; }},
    {"sat", true, false, "overflow", [](BlockFormat& f) { f.overflow = Overflow::saturate; }},
    {"inf", true, false, "overflow", [](BlockFormat& f) { f.overflow = Overflow::infinite; }},
    {"tensor", false, true, "scale extent", [](BlockFormat& f) { f.extent = ScaleExtent::tensor; }},
    {"row", false, true, "scale extent", [](BlockFormat& f) { f.extent = ScaleExtent::row; }},
    {"restricted", false, true, "scheme", [](BlockFormat& f) { set_scheme(f, IntegerScheme::restricted); }},
    {"full", false, true, "scheme", [](BlockFormat& f) { set_scheme(f, IntegerScheme::full); }},
    {"asym", false, true, "scheme", [](BlockFormat& f) { set_scheme(f, IntegerScheme::asym); }},
    {"scale_type=f32", false, true, "scale type", [](BlockFormat& f) { f.scale_type = ScaleType::f32; }},
    {"scale_type=f16", false, true, "scale type", [](BlockFormat& f) { f.scale_type = ScaleType::f16; }},
    {"scale_type=bf16", false, true, "scale type", [](BlockFormat& f) { f.scale_type = ScaleType::bf16; }},
};

constexpr int64_t kLargestGroup = 65536;

// Applies one parameter and returns the group of parameters it belongs to; throws Error for one that does not
// apply.
std::string apply_parameter(std::string_view text, std::string_view parameter, BlockFormat& format) {
  bool is_float = std::holds_alternative<FloatGrid>(format.grid);
  constexpr std::string_view kGroup = "group=";
  if (!is_float && parameter.substr(0, kGroup.size()) == kGroup) {
    uint64_t values = 0;
    if (!parse_unsigned(parameter.substr(kGroup.size()), values) || values < 1 || values > kLargestGroup) {
      throw UsageError("format '{}': found '{}', wanted group=N with N from 1 to {}", printable(text),
                       printable(parameter), kLargestGroup);
    }
    format.extent = ScaleExtent::group;
    format.group_values = static_cast<int64_t>(values);
    return "scale extent";
  }
  std::vector<std::string> accepted;
  for (const ParameterWord& word : kParameterWords) {
    if (!(is_float ? word.for_floats : word.for_integers)) continue;
    accepted.emplace_back(word.word);
    if (parameter != word.word) continue;
    word.apply(format);
    return word.group;
  }
  if (!is_float) accepted.emplace_back("group=N");
  throw UsageError("format '{}': '{}' is no parameter of it, wanted one of {}{}", printable(text),
                   printable(parameter), join(accepted, ", "), did_you_mean(parameter, accepted));
}

std::vector<std::string> catalog_names() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : catalog()) names.push_back(entry.name);
  return names;
}

const char* name_of(Rounding rounding) {
  return rounding == Rounding::rne ? "rne" : rounding == Rounding::rtz ? "rtz" : "rna";
}

std::string scalar_name(const BlockFormat& format, const FloatGrid& grid) {
  for (const ScalarRow& row : kScalars) {
    if (!(row.grid == grid)) continue;
    if (grid == kF32) return row.name;
    const char* overflow = format.overflow == row.overflow         ? ""
                           : format.overflow == Overflow::saturate ? ":sat"
                                                                   : ":inf";
    return fmt::format("{}:{}{}", row.name, name_of(format.rounding), overflow);
  }
  FQ_CHECK(!"a float grid outside the catalog");
}

}  // namespace

std::string lower_name(TensorType type) {
  std::string name = lower(name_of(type));
  return type == TensorType::MXFP4 || type == TensorType::NVFP4 ? name + "_ggml" : name;
}

std::string canonical_name(const BlockFormat& format) {
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid)) return scalar_name(format, *grid);
  const auto& grid = std::get<IntegerGrid>(format.grid);
  std::string extent = format.extent == ScaleExtent::tensor ? "tensor"
                       : format.extent == ScaleExtent::row  ? "row"
                                                            : fmt::format("group={}", format.group_values);
  const char* scheme = grid.scheme == IntegerScheme::restricted ? "restricted"
                       : grid.scheme == IntegerScheme::full     ? "full"
                                                                : "asym";
  const char* scale = format.scale_type == ScaleType::f32   ? ""
                      : format.scale_type == ScaleType::f16 ? ":scale_type=f16"
                                                            : ":scale_type=bf16";
  return fmt::format("int{}:{}:{}:{}{}", grid.bits, extent, scheme, name_of(format.rounding), scale);
}

const std::vector<CatalogEntry>& catalog() {
  static const std::vector<CatalogEntry> entries = build_catalog();
  return entries;
}

std::vector<ParameterHelp> parameters_of(const CatalogEntry& entry) {
  if (entry.family == FormatFamily::ggml || entry.format.leaves_values()) return {};
  ParameterHelp rounding{":rne|rtz|rna",
                         "to nearest with ties to even (default), toward zero, ties away from zero"};
  if (entry.family == FormatFamily::scalar) {
    bool saturates = std::get<BlockFormat>(entry.format.kind).overflow == Overflow::saturate;
    return {rounding,
            {":inf|sat", fmt::format("what overflows becomes Inf or the largest value (default {})",
                                     saturates ? "sat" : "inf")}};
  }
  return {{":tensor|row|group=N", "which values share a scale (default row)"},
          {":restricted|full|asym", "codes -Q..Q (default), -Q-1..Q, or a zero point"},
          {":scale_type=f32|f16|bf16", "how the scale is stored (default f32)"},
          rounding};
}

Format parse_format(std::string_view text) {
  std::vector<std::string> parts = split(lower(trim(text)), ':');
  const std::vector<CatalogEntry>& entries = catalog();
  auto entry =
      std::find_if(entries.begin(), entries.end(), [&](const CatalogEntry& e) { return e.name == parts[0]; });
  if (entry == entries.end()) {
    throw UsageError("format '{}': '{}' is no format; see `fakequant formats`{}", printable(text),
                     printable(parts[0]), did_you_mean(parts[0], catalog_names()));
  }
  if (parts.size() > 1 && parameters_of(*entry).empty()) {
    throw UsageError("format '{}': {} takes no parameters, found '{}'", printable(text), entry->name,
                     printable(parts[1]));
  }
  Format format = entry->format;
  std::vector<std::string> groups;
  for (size_t i = 1; i < parts.size(); ++i) {
    std::string group = apply_parameter(text, parts[i], std::get<BlockFormat>(format.kind));
    if (std::find(groups.begin(), groups.end(), group) != groups.end()) {
      throw UsageError("format '{}': its {} is given twice, the second time as '{}'", printable(text), group,
                       printable(parts[i]));
    }
    groups.push_back(group);
  }
  if (parts.size() > 1) format.name = canonical_name(std::get<BlockFormat>(format.kind));
  return format;
}

const CatalogEntry& entry_of(const Format& format) {
  std::string name = split(format.name, ':')[0];
  for (const CatalogEntry& entry : catalog()) {
    if (entry.name == name) return entry;
  }
  FQ_CHECK(!"a format outside the catalog");
}

}  // namespace fakequant
