#pragma once
// For tests only: what the tests of this folder share. Formats by name, values that find edges, comparison by
// bits.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/testing.h"
#include "base/text.h"
#include "formats/catalog.h"
#include "formats/fake_quantize.h"
#include "formats/format_grammar.h"

namespace fakequant::formats_testing {

using base_testing::read_golden;

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kFloatMax = std::numeric_limits<float>::max();
inline constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

inline constexpr Rounding kAllRoundings[] = {Rounding::rne, Rounding::rtz, Rounding::rna, Rounding::sr};
inline constexpr Rounding kFixedRoundings[] = {Rounding::rne, Rounding::rtz, Rounding::rna};
inline constexpr FloatKind kAllKinds[] = {FloatKind::ieee, FloatKind::fn, FloatKind::fnuz, FloatKind::finite};

inline float from_bits(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
inline uint32_t to_bits(float value) {
  return std::bit_cast<uint32_t>(value);
}

// Bit for bit, sign of zero included; NaN by class, as tests/golden/README.md asks.
inline bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : to_bits(a) == to_bits(b);
}

inline std::string in_hex(float value) {
  return fmt::format("{} (0x{:08x})", value, to_bits(value));
}

// Fails at the first place where the arrays differ.
inline testing::AssertionResult same_values(const std::vector<float>& found,
                                            const std::vector<float>& wanted) {
  if (found.size() != wanted.size()) return testing::AssertionFailure() << "sizes differ";
  for (size_t i = 0; i < found.size(); ++i) {
    if (!same(found[i], wanted[i])) {
      return testing::AssertionFailure()
             << "at " << i << " found " << in_hex(found[i]) << " wanted " << in_hex(wanted[i]);
    }
  }
  return testing::AssertionSuccess();
}

inline BlockFormat own_format(std::string_view name) {
  return std::get<BlockFormat>(parse_format(name).kind);
}

inline float rounded(const FloatGrid& grid, Rounding rounding, Overflow overflow, float value,
                     uint32_t word = 0) {
  round_to_grid(grid, rounding, overflow, {&value, 1}, {&word, 1});
  return value;
}

// A whole tensor rounded: its own range, and `key` for stochastic rounding.
inline std::vector<float> restored(const BlockFormat& format, int64_t row_length, std::vector<float> values,
                                   uint64_t key = 0) {
  TensorContext context{.range = scale_range(values), .random_key = key};
  fake_quantize_rows(format, row_length, context, values);
  return values;
}

inline std::vector<float> restored(std::string_view format, int64_t row_length, std::vector<float> values,
                                   uint64_t key = 0) {
  return restored(own_format(format), row_length, std::move(values), key);
}

// Of every F32 exponent and bit pattern, with what is special in F32; NaN and Inf only when asked for.
inline std::vector<float> wild_values(size_t count, uint32_t seed, bool finite = true) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values{0.0f,      -0.0f,      kDenormal, -kDenormal,
                            kFloatMax, -kFloatMax, 0x1p-126f, 0x1.fffffcp-127f};
  if (!finite) values.insert(values.end(), {kInf, -kInf, kNan, from_bits(0x7F800001), from_bits(0xFFFFFFFF)});
  while (values.size() < count) {
    float value = from_bits(static_cast<uint32_t>(random()));
    if (values.size() % 3 == 0) value = normal(random);
    if (!finite || std::isfinite(value)) values.push_back(value);
  }
  values.resize(count);
  return values;
}

// Blocks in which scales meet their edges: normally distributed values at every power of two, random bits, a
// few multiples of the smallest F32, the largest F32, zeros, one value alone.
inline std::vector<float> wild_blocks(size_t block, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (size_t b = 0; b < count; ++b) {
    int exponent = static_cast<int>(random() % 276) - 149;
    std::vector<float> bits = wild_values(block + 8, static_cast<uint32_t>(random()));
    for (size_t i = 0; i < block; ++i) {
      float value = std::ldexp(normal(random), exponent);
      if (b % 8 == 1) value = bits[i + 8];
      if (b % 8 == 2) value = static_cast<float>(static_cast<int>(random() % 99) - 49) * kDenormal;
      if (b % 8 == 3) value = from_bits((random() & 0x81FFFFFFu) + 0x7D800000u);  // up to the largest F32
      if (b % 8 == 4) value = i + 1 == block ? value : 0.0f;
      if (b % 8 == 5) value = from_bits(random() & 0x80FFFFFFu);  // around the smallest normal F32
      if (b % 64 == 6) value = i % 2 == 0 ? 0.0f : -0.0f;
      values.push_back(std::isfinite(value) ? value : std::copysign(kFloatMax, value));
    }
  }
  return values;
}

// Full names of all formats of our own with every combination of parameters but overflow rules. Groups are as
// long as the catalog's blocks, 32 for the others. f32 is left out; floats are taken with and without a
// scale.
inline std::vector<std::string> every_own_format() {
  std::vector<std::string> names;
  auto add = [&](const std::string& base, const std::vector<std::string>& extents,
                 const std::vector<std::string>& rules, const std::vector<std::string>& scale_types) {
    for (const std::string& extent : extents) {
      for (const std::string& rule : rules) {
        for (const std::string& scale_type : scale_types) {
          for (const char* rounding : {":rne", ":rtz", ":rna", ":sr"})
            names.push_back(base + extent + rule + rounding + scale_type);
        }
      }
    }
  };
  const std::vector<std::string> none{""};
  const std::vector<std::string> extents{":row", ":tensor", ":group=32"};
  const std::vector<std::string> scale_types{"", ":scale_type=f16", ":scale_type=bf16"};
  for (const CatalogEntry& entry : catalog()) {
    if (entry.format.is_ggml() || entry.format.leaves_values()) continue;
    const auto& format = std::get<BlockFormat>(entry.format.kind);
    if (entry.family == FormatFamily::scalar) {
      add(entry.name, none, none, none);
      if (std::get<FloatGrid>(format.grid).exponent_bits <= 5) add(entry.name, extents, none, scale_types);
    } else if (entry.family == FormatFamily::integer) {
      add(entry.name, extents, {":restricted", ":full", ":asym"}, scale_types);
    } else if (format.scale_type == ScaleType::e8m0) {
      add(entry.name, none, {":scale=floor", ":scale=ceil", ":scale=rceil", ":scale=even"}, none);
    } else if (format.scale_type == ScaleType::e4m3_tensor) {
      add(entry.name, none, none, none);
    } else {
      add(entry.name, {":row", ":tensor", ":group=64"}, none, scale_types);
    }
  }
  return names;
}

// A table of powers of two from 2^top downwards: the probes that show which scale a block was given.
inline std::vector<float> powers_of_two(int top, size_t count) {
  std::vector<float> powers(count);
  for (size_t i = 0; i < count; ++i) powers[i] = std::ldexp(1.0f, top - static_cast<int>(i));
  return powers;
}

// The text of a committed file, in lines.
inline std::vector<std::string> read_golden_lines(const std::string& name) {
  std::vector<char> bytes = read_golden<char>(name);
  std::vector<std::string> lines = split(std::string(bytes.begin(), bytes.end()), '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::string& line : lines) line = trim(line);
  return lines;
}

// Rows of cells of a committed CSV file, without its heading.
inline std::vector<std::vector<std::string>> read_golden_csv(const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& line : read_golden_lines(name)) rows.push_back(split(line, ','));
  rows.erase(rows.begin());
  return rows;
}

}  // namespace fakequant::formats_testing
