#include "formats/catalog.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"

namespace fakequant {

namespace {

constexpr const char* kOfp8 = "OCP 8-bit Floating Point Specification (OFP8) 1.0";
constexpr const char* kMx = "OCP Microscaling Formats (MX) Specification 1.0";
constexpr const char* kIeee = "IEEE 754-2019";

struct ScalarRow {
  const char* name;
  FloatGrid grid;
  const char* summary;
  const char* note;
  const char* used_by;
  const char* sources;
};

constexpr ScalarRow kScalars[] = {
    {"f32", kF32, "single precision: leaves every value as it is",
     "For use in recipes: the tensor is chosen and stays unrounded.", "norms and biases of GGUF models",
     kIeee},
    {"tf32", kTf32, "TensorFloat-32: F32 with 11 significant bits",
     "Tensor cores fed raw F32 ignore the low 13 bits (tf32:rtz); PTX cvt.rna.tf32.f32 rounds ties away "
     "(tf32:rna); emulations mostly round ties to even (tf32:rne). Counted as 19 bits per weight.",
     "matrix products of F32 on NVIDIA GPUs since Ampere", "NVIDIA PTX ISA, cvt"},
    {"bf16", kBf16, "bfloat16: F32 with 8 significant bits",
     "bf16:rtz clears the low 16 bits of each value, the algorithm of the experiment that this program grew "
     "from; a NaN keeps its sign and top payload and stays a NaN. With rne, values that round beyond "
     "3.3895e38 become Inf.",
     "the weights of most published language models; TPUs, GPUs and CPUs of the 2020s",
     "Intel BFLOAT16 Hardware Numerics Definition 1.0"},
    {"f16", kF16, "half precision of IEEE 754",
     "With rne, magnitudes from 65520 become Inf; :sat gives 65504.",
     "GGUF exports; the scales of ggml's block types", kIeee},
    {"e4m3", kE4M3, "FP8 E4M3 of OCP (fn): NaN but no Inf",
     "\"e4m3\" is ambiguous elsewhere: 448 here and in float8_e4m3fn, 240 with Inf in ml_dtypes' float8_e4m3 "
     "(here e4m3:ieee), 240 without in AMD's e4m3fnuz. Overflow saturates; with :inf it becomes NaN from "
     "above 464 (464 itself ties to 448), where microxcaling gives an Inf that the format lacks. Infinite "
     "inputs become 448; ml_dtypes makes them NaN even when saturating.",
     "weights and activations in FP8: NVIDIA since Ada and Hopper, AMD MI350; vLLM, DeepSeek-V3 (with "
     "scales)",
     kOfp8},
    {"e5m2", kE5M2, "FP8 E5M2 of OCP: Inf and NaN",
     "Overflow saturates; with :inf magnitudes from 61440 become Inf, as in ml_dtypes without saturation.",
     "gradients in FP8 training (Transformer Engine), FP8 caches of keys and values", kOfp8},
    {"e4m3fnuz", kE4M3Fnuz, "FP8 E4M3 with bias 8: NaN but no Inf, no -0",
     "The code of -0 is the only NaN, so -0 and what underflows from below become +0. With :inf magnitudes "
     "from 248 become NaN.",
     "AMD Instinct MI300, Graphcore IPUs", "arXiv 2206.02915"},
    {"e5m2fnuz", kE5M2Fnuz, "FP8 E5M2 with bias 16: NaN but no Inf, no -0",
     "As e4m3fnuz; with :inf magnitudes from 61440 become NaN.", "AMD Instinct MI300, Graphcore IPUs",
     "arXiv 2206.02915"},
    {"e3m2", kE3M2, "FP6 E3M2: finite, neither Inf nor NaN",
     "Every code is a number: overflow and Inf become 28. A NaN stays NaN, which the format itself could not "
     "say; libraries put 0, 28 or 1.5 there.",
     "elements of MXFP6; FP6-LLM", "OCP Microscaling Formats (MX) Specification 1.0; arXiv 2401.14112"},
    {"e2m3", kE2M3, "FP6 E2M3: finite, neither Inf nor NaN",
     "Every code is a number: overflow and Inf become 7.5. A NaN stays NaN, which the format itself could "
     "not say.",
     "elements of MXFP6", kMx},
    {"e2m1", kE2M1, "FP4 E2M1: finite; 0 0.5 1 1.5 2 3 4 6",
     "Every code is a number: overflow and Inf become 6. A NaN stays NaN, which the format itself could not "
     "say. Ties to even: 0.25 gives 0, 0.75 and 1.25 give 1, 1.75 and 2.5 give 2, 3.5 and 5 give 4. "
     "bitsandbytes' \"fp4\" is another format.",
     "elements of MXFP4 and NVFP4", kMx},
};

constexpr const char* kIntegerNote =
    "restricted: scale = amax / Q with Q = 2^(n-1) - 1, codes -Q..Q (bitsandbytes, q8_0). full: scale = amax "
    "/ ((2^n - 1) / 2), codes -Q-1..Q, so the largest value clips (torch, torchao). asym: scale = (max - "
    "min) / (2^n - 1) over a range widened to hold 0, n-bit zero point. Codes are round(x * (1 / scale)) in "
    "F32, as torch and ggml compute them; there is no floor on the scale. NaN stays NaN; Inf becomes the "
    "largest code.";

struct BlockRow {
  const char* name;
  BlockFormat format;
  const char* summary;
  const char* note;
  const char* used_by;
  const char* sources;
};

constexpr BlockFormat mx(Grid element) {
  return {.grid = element, .extent = ScaleExtent::group, .group_values = 32, .scale_type = ScaleType::e8m0};
}

constexpr const char* kMxNote =
    "The scale is a power of two from the block's largest magnitude, taken from its exponent bits (a "
    "logarithm in F32 would round up just below powers of two, as in ggml and microxcaling). :scale=floor, "
    "the specification's, clips values that lie between the largest code and the next power of two; rceil "
    "(NVIDIA) never clips; ceil and even are torchao's. Elements round in the exact quotient and saturate. A "
    "NaN or Inf makes its block NaN (torchao, microxcaling; gfloat and ggml differ).";

constexpr BlockRow kBlocks[] = {
    {"mxfp8_e4m3", mx(kE4M3), "MXFP8: E4M3 codes, power-of-two scale per 32", kMxNote,
     "NVIDIA Blackwell, AMD MI350; torchao, Transformer Engine", kMx},
    {"mxfp8_e5m2", mx(kE5M2), "MXFP8: E5M2 codes, power-of-two scale per 32", kMxNote,
     "NVIDIA Blackwell, AMD MI350", kMx},
    {"mxfp6_e3m2", mx(kE3M2), "MXFP6: E3M2 codes, power-of-two scale per 32", kMxNote,
     "AMD MI350, NVIDIA Blackwell", kMx},
    {"mxfp6_e2m3", mx(kE2M3), "MXFP6: E2M3 codes, power-of-two scale per 32", kMxNote,
     "AMD MI350, NVIDIA Blackwell", kMx},
    {"mxfp4", mx(kE2M1), "MXFP4: E2M1 codes, power-of-two scale per 32",
     "The scale is a power of two from the block's largest magnitude, taken from its exponent bits. "
     ":scale=floor, the specification's, clips what lies between 6 and 8 scales, up to a quarter of the "
     "largest value; rceil (NVIDIA) never clips; ceil and even are torchao's. Ties to even; ggml "
     "(mxfp4_ggml) and ModelOpt round ties toward zero. A NaN or Inf makes its block NaN (torchao, "
     "microxcaling; gfloat and ggml differ).",
     "gpt-oss; NVIDIA Blackwell, AMD MI350", kMx},
    {"mxint8", mx(IntegerGrid{8, IntegerScheme::full}),
     "MXINT8: 8-bit fixed point, power-of-two scale per 32",
     "Codes are multiples of 1/64 from -2 to 127/64; microxcaling leaves -2 unused. A value within 1/256 of "
     "-2^128 gets the code -2 under the scale 2^127, which is beyond F32: it becomes -Inf, as the "
     "specification's arithmetic has it. A NaN or Inf makes its block NaN.",
     "microxcaling; the specification's integer format", kMx},
    {"nvfp4",
     {.grid = kE2M1, .extent = ScaleExtent::group, .group_values = 16, .scale_type = ScaleType::e4m3_tensor},
     "NVFP4: E2M1 codes, E4M3 scale per 16, F32 per tensor",
     "Tensor scale = amax / (6 x 448); block scale = E4M3(block amax / (6 x tensor scale)); code = E2M1(x / "
     "(block scale x tensor scale)); in ModelOpt's order of operations, every step in F32. torchao and "
     "Transformer Engine multiply by reciprocals and break exact ties otherwise; torchao keeps block scales "
     "at 2^-6 and above. Blocks whose scale underflows become zeros, and so does a tensor of zeros (NaN in "
     "ModelOpt). ggml's nvfp4_ggml has no tensor scale.",
     "NVIDIA Blackwell; ModelOpt, TensorRT-LLM, vLLM",
     "NVIDIA Model Optimizer, NVFP4QTensor; arXiv 2509.25149"},
    {"nf4",
     {.grid = LevelGrid{LevelTable::nf4}, .extent = ScaleExtent::group, .group_values = 64},
     "NormalFloat: 16 normal quantiles, F32 scale per 64",
     "As bitsandbytes: u = clamp(x * (1 / max(amax, 1e-38)), -1, 1), the nearest of 16 levels, and the lower "
     "one where u lies on the F32 midpoint of two; restored = level * amax. Blocks run along the row. Scales "
     "are not quantized again (bitsandbytes' double quantization is lossy, and optional there).",
     "QLoRA, bitsandbytes",
     "arXiv 2305.14314"},
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
    {T::Q6_K, "6-bit codes, 8-bit scales per 16, F16 scale"},
    {T::Q5_K, "5-bit codes, 6-bit scales and minima per 32, F16 pair"},
    {T::Q4_K, "4-bit codes, 6-bit scales and minima per 32, F16 pair"},
    {T::Q3_K, "3-bit codes, 6-bit scales per 16, F16 scale"},
    {T::Q2_K, "2-bit codes, 4-bit scales and minima per 16, F16 pair"},
    {T::IQ4_NL, "4-bit codes into a non-linear table, F16 scale per 32"},
    {T::IQ4_XS, "as iq4_nl with 6-bit scales per 32, F16 scale"},
    {T::IQ3_S, "3-bit grid codes with signs, 4-bit scales per 32"},
    {T::IQ3_XXS, "3-bit grid codes, packed signs, 4-bit scales per 32"},
    {T::IQ2_S, "2-bit grid codes with signs, 4-bit scales per 16"},
    {T::IQ2_XS, "2-bit grid codes, packed signs, 4-bit scales per 16"},
    {T::IQ2_XXS, "2-bit grid codes, packed signs, 4-bit scales per 32"},
    {T::IQ1_M, "ternary grid codes, 3-bit scales per 16"},
    {T::IQ1_S, "ternary grid codes, 3-bit scales per 32"},
    {T::TQ2_0, "ternary codes in 2 bits, F16 scale per 256"},
    {T::TQ1_0, "ternary codes, five to a byte, F16 scale per 256"},
    {T::MXFP4, "ggml's MXFP4: E2M1 codes, power-of-two scale per 32"},
    {T::NVFP4, "ggml's NVFP4: E2M1 codes, E4M3 scale per 16, no tensor scale"},
};

CatalogEntry own_entry(const char* name, FormatFamily family, const BlockFormat& block) {
  return {name, family, {canonical_name(block), block}, "", "", "", ""};
}

CatalogEntry scalar_entry(const ScalarRow& row) {
  CatalogEntry entry =
      own_entry(row.name, FormatFamily::scalar, {.grid = row.grid, .overflow = default_overflow(row.grid)});
  entry.summary = row.summary;
  entry.note = row.note;
  entry.used_by = row.used_by;
  entry.sources = row.sources;
  return entry;
}

CatalogEntry integer_entry(int bits) {
  CatalogEntry entry =
      own_entry("", FormatFamily::integer,
                {.grid = IntegerGrid{bits, IntegerScheme::restricted}, .extent = ScaleExtent::row});
  entry.name = fmt::format("int{}", bits);
  entry.summary = fmt::format("{}-bit integers with a scale per row, group or tensor", bits);
  entry.note = kIntegerNote;
  entry.used_by = bits == 8   ? "W8A8 inference: LLM.int8, SmoothQuant, TensorRT, torchao"
                  : bits == 4 ? "weight-only inference: GPTQ, AWQ, torchao"
                              : "studies of precision; weight-only inference";
  entry.sources = "arXiv 1712.05877; torch.ao.quantization observers";
  return entry;
}

CatalogEntry block_entry(const BlockRow& row) {
  CatalogEntry entry = own_entry(row.name, FormatFamily::block, row.format);
  entry.summary = row.summary;
  entry.note = row.note;
  entry.used_by = row.used_by;
  entry.sources = row.sources;
  return entry;
}

CatalogEntry ggml_entry(const GgmlRow& row) {
  std::string name = lower_name(row.type);
  return {name,
          FormatFamily::ggml,
          {name, row.type},
          row.summary,
          "Computed by ggml itself: quantized by ggml_quantize_chunk and restored by ggml's own dequantizer, "
          "bit for bit what llama-quantize writes. Takes an importance matrix where ggml can use one.",
          "llama.cpp and what is built on it",
          "llama.cpp, ggml-quants.c"};
}

std::vector<CatalogEntry> build_catalog() {
  std::vector<CatalogEntry> entries;
  for (const ScalarRow& row : kScalars) entries.push_back(scalar_entry(row));
  for (int bits = 2; bits <= 16; ++bits) entries.push_back(integer_entry(bits));
  for (const BlockRow& row : kBlocks) entries.push_back(block_entry(row));
  for (const GgmlRow& row : kGgmlTypes) entries.push_back(ggml_entry(row));
  return entries;
}

CatalogEntry build_generic() {
  FloatGrid grid = float_grid(3, 4, FloatKind::ieee);
  CatalogEntry entry =
      own_entry("eXmY", FormatFamily::scalar, {.grid = grid, .overflow = default_overflow(grid)});
  entry.summary = "a float of X exponent and Y mantissa bits: e3m4:ieee";
  entry.note =
      "X is 2 to 8, Y is 0 to 22, and KIND says what the top codes mean. ieee: the top exponent holds Inf "
      "and NaN. fn: no Inf, one NaN code at the top. fnuz: no Inf, no -0, whose code is the NaN; the bias is "
      "one higher. finite: every code is a number. The bias is 2^(X-1) - 1. Without mantissa bits ties go to "
      "the even exponent code (gfloat). With eight exponent bits only ieee and fnuz stay within F32.";
  entry.used_by = "studies of formats before there is hardware";
  entry.sources = "IEEE 754-2019; OCP 8-bit Floating Point Specification (OFP8) 1.0; gfloat";
  return entry;
}

// Scalars and integers of one grid differ by how their scale is kept; blocks by their own kind of scale.
bool same_scaling(const BlockFormat& row, const BlockFormat& format) {
  return row.grid == format.grid &&
         (row.scale_type == format.scale_type || std::holds_alternative<LevelGrid>(row.grid));
}

// Why rounding twice may differ from once under a power-of-two scale: what the scale is chosen from changes, and a code
// has no place under the new one.
std::string power_scale_note(const BlockFormat& block) {
  const auto* floats = std::get_if<FloatGrid>(&block.grid);
  const bool cuts = block.rounding == Rounding::rtz;
  if (block.scale_rule == ScaleRule::even && floats != nullptr && floats->kind == FloatKind::fn &&
      (cuts || block.rounding == Rounding::sr)) {
    return "a block whose largest code is 240 gets half the scale the next time, where 480 is no code and "
           "clips to 448";
  }
  if (cuts) return "";
  if (floats == nullptr && block.scale_rule == ScaleRule::floor)
    return "a block that uses the code -2 gets twice the scale the next time";
  if (floats == nullptr && block.scale_rule == ScaleRule::even)
    return "a block whose largest code is -2, or 127/64 below 2^-126, gets twice the scale the next time";
  if (block.scale_rule == ScaleRule::ceil || block.scale_rule == ScaleRule::rceil)
    return "a block of which a value rounds up to 2^128 holds an Inf, and is NaN the next time; all others "
           "stay";
  return "";
}

}  // namespace

std::string_view name_of(FormatFamily family) {
  switch (family) {
    case FormatFamily::scalar:
      return "scalar";
    case FormatFamily::integer:
      return "integer";
    case FormatFamily::block:
      return "block";
    case FormatFamily::ggml:
      return "ggml";
  }
  FQ_CHECK(!"a family without a name");
}

std::string lower_name(TensorType type) {
  std::string name = lower(name_of(type));
  return type == TensorType::MXFP4 || type == TensorType::NVFP4 ? name + "_ggml" : name;
}

Overflow default_overflow(const FloatGrid& grid) {
  bool infinite = grid.kind == FloatKind::ieee && !(grid == kE5M2);
  return infinite ? Overflow::infinite : Overflow::saturate;
}

std::string catalog_name(const BlockFormat& format) {
  if (format.has_standard_scale() || std::holds_alternative<LevelGrid>(format.grid)) {
    for (const BlockRow& row : kBlocks) {
      if (same_scaling(row.format, format)) return row.name;
    }
    FQ_CHECK(!"a block format outside the catalog");
  }
  if (const auto* integers = std::get_if<IntegerGrid>(&format.grid))
    return fmt::format("int{}", integers->bits);
  for (const ScalarRow& row : kScalars) {
    if (row.grid == std::get<FloatGrid>(format.grid)) return row.name;
  }
  return "";
}

const std::vector<CatalogEntry>& catalog() {
  static const std::vector<CatalogEntry> entries = build_catalog();
  return entries;
}

const CatalogEntry& generic_float_entry() {
  static const CatalogEntry entry = build_generic();
  return entry;
}

const CatalogEntry& entry_of(const Format& format) {
  const auto* block = std::get_if<BlockFormat>(&format.kind);
  std::string name = block != nullptr ? catalog_name(*block) : lower_name(std::get<TensorType>(format.kind));
  if (name.empty()) return generic_float_entry();
  for (const CatalogEntry& entry : catalog()) {
    if (entry.name == name) return entry;
  }
  FQ_CHECK(!"a format outside the catalog");
}

std::string repetition_note(const Format& format) {
  if (format.is_ggml()) return "ggml searches scales anew among restored values and may find others";
  const auto& block = std::get<BlockFormat>(format.kind);
  if (!block.has_scale()) return "";
  if (block.scale_type == ScaleType::e8m0) return power_scale_note(block);
  if (block.scale_type == ScaleType::e4m3_tensor)
    return "the scales are computed anew from restored values: last bits may differ, and blocks of small "
           "scale more";
  const bool f32_scale = block.scale_type == ScaleType::f32;
  if (std::holds_alternative<LevelGrid>(block.grid) && f32_scale)
    return "blocks below 1e-38 shrink further, by bitsandbytes' floor under the scale; all others stay";
  const auto* integers = std::get_if<IntegerGrid>(&block.grid);
  const bool restricted = integers == nullptr || integers->scheme == IntegerScheme::restricted;
  if (integers != nullptr && integers->scheme == IntegerScheme::full)
    return "the largest value clips each time, and the scale is computed anew from what is left";
  // The scale itself is the largest restored value.
  if (restricted && integers != nullptr && integers->bits == 2) return "";
  // Either largest code x scale rounds to the largest value again, or dividing it gives the scale again.
  if (restricted && f32_scale && (block.rounding == Rounding::rne || block.rounding == Rounding::rna))
    return "blocks so small that their scale is a subnormal F32 may change again; all others stay";
  return "the scale is computed anew from restored values, which may change them again";
}

}  // namespace fakequant
