#include "tensors/grids.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/codec.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"
#include "formats/fake_quantize.h"
#include "tensors/rounder.h"

namespace fakequant {

namespace {

// A grid of whole codes times one scale per block.
struct CodeGrid {
  Format format;
  bool signed_scale;  // q4_0, q5_0: the extreme value has the lowest code, whatever its sign
  int lowest_code;
  int highest_code;
  const FloatGrid* scale_grid;  // what scales the format can store
  int64_t block;                // values per scale; 0 is the whole tensor
};

// Rounds to the storage type of the tensor; F32 needs none.
void store_as(TensorType type, std::span<float> values) {
  if (type == TensorType::F16) round_to_grid(kF16, Rounding::rne, Overflow::infinite, values);
  if (type == TensorType::BF16) round_to_grid(kBf16, Rounding::rne, Overflow::infinite, values);
}

// Half the spacing of the storage type around a value: how far from it code x scale may have been.
double storage_slack(TensorType type, double value) {
  const FloatGrid& grid = type == TensorType::F16 ? kF16 : type == TensorType::BF16 ? kBf16 : kF32;
  int exponent = std::max(std::ilogb(value), grid.min_exponent());
  return std::ldexp(0.5, exponent - grid.mantissa_bits);
}

// The scales under which every value seen so far is a whole code.
struct ScaleInterval {
  double low = -INFINITY;
  double high = INFINITY;
  bool possible = true;

  void add(TensorType type, double value, double code) {
    if (code == 0) {
      possible = possible && value == 0;
      return;
    }
    double slack = storage_slack(type, value);
    double a = (value - slack) / code;
    double b = (value + slack) / code;
    low = std::max(low, std::min(a, b));
    high = std::min(high, std::max(a, b));
    possible = possible && low <= high;
  }

  void merge(const ScaleInterval& other) {
    low = std::max(low, other.low);
    high = std::min(high, other.high);
    possible = possible && other.possible && low <= high;
  }
};

// The value of largest magnitude; the first of them.
float extreme_of(std::span<const float> values) {
  float extreme = 0;
  for (float value : values) {
    if (std::abs(value) > std::abs(extreme)) extreme = value;
  }
  return extreme;
}

// The scales that give the extreme value a code it may have: of the scheme "full", a negative one the lowest
// code or that above it.
std::vector<double> guesses_of(const CodeGrid& grid, float extreme) {
  double value = extreme;
  if (grid.signed_scale) return {value / grid.lowest_code};
  if (extreme > 0) return {value / grid.highest_code};
  std::vector<double> guesses{value / grid.lowest_code};
  if (grid.lowest_code != -grid.highest_code) guesses.push_back(value / -grid.highest_code);
  return guesses;
}

double code_of(const CodeGrid& grid, float value, double guess) {
  return std::clamp(std::nearbyint(value / guess), double(grid.lowest_code), double(grid.highest_code));
}

ScaleInterval interval_of(const CodeGrid& grid, TensorType type, double guess,
                          std::span<const float> values) {
  ScaleInterval interval;
  for (float value : values) {
    interval.add(type, value, code_of(grid, value, guess));
    if (!interval.possible) break;
  }
  return interval;
}

bool restores_all(const CodeGrid& grid, TensorType type, float scale, double guess,
                  std::span<const float> values, std::vector<float>& scratch) {
  scratch.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    scratch[i] = static_cast<float>(code_of(grid, values[i], guess)) * scale;
  store_as(type, scratch);
  // By value: an upcast keeps -0 only where the codes have one.
  return std::equal(values.begin(), values.end(), scratch.begin());
}

// Scales in the interval that the format can store, the likeliest first.
std::vector<float> candidates(const CodeGrid& grid, const ScaleInterval& interval) {
  auto middle = static_cast<float>(interval.low + (interval.high - interval.low) / 2);
  round_to_grid(*grid.scale_grid, Rounding::rne, Overflow::infinite, {&middle, 1});
  std::vector<float> result;
  uint32_t step = uint32_t{1} << (23 - grid.scale_grid->mantissa_bits);
  for (int offset : {0, 1, -1, 2, -2}) {
    auto bits = std::bit_cast<uint32_t>(middle) + static_cast<uint32_t>(offset) * step;
    auto scale = std::bit_cast<float>(bits);
    if (std::isfinite(scale) && scale >= interval.low && scale <= interval.high) result.push_back(scale);
  }
  return result;
}

bool block_is_exact(const CodeGrid& grid, TensorType type, std::span<const float> values,
                    std::vector<float>& scratch) {
  float extreme = extreme_of(values);
  if (extreme == 0) return true;
  for (double guess : guesses_of(grid, extreme)) {
    ScaleInterval interval = interval_of(grid, type, guess, values);
    if (!interval.possible) continue;
    for (float scale : candidates(grid, interval)) {
      if (restores_all(grid, type, scale, guess, values, scratch)) return true;
    }
  }
  return false;
}

// One row, or the first part of a row that is cut: it alone decides most tensors.
Piece first_row_of(const TensorInfo& info, const Piece& first) {
  Piece row = first;
  row.value_count = std::min(first.value_count, info.row_length);
  row.byte_count =
      first.byte_count / static_cast<uint64_t>(first.value_count) * static_cast<uint64_t>(row.value_count);
  return row;
}

using Holds = std::function<bool(const Piece&, std::span<const float>, Scratch&)>;

// True when `holds` is true of every piece; tries the first row alone, and stops looking at the first piece
// that fails.
bool every_piece(const TensorView& view, std::span<const Piece> pieces, const Holds& holds) {
  Scratch own;
  Piece row = first_row_of(*view.info, pieces.front());
  if (!holds(row, read_piece(view, row, own), own)) return false;
  std::atomic<bool> all = true;
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    if (all && !holds(pieces[index], read_piece(view, pieces[index], scratch), scratch)) all = false;
  });
  return all;
}

bool blocks_are_exact(const CodeGrid& grid, const TensorView& view) {
  std::vector<Piece> pieces = pieces_of(*view.info, grid.block, grid.block == view.info->row_length);
  return every_piece(view, pieces, [&](const Piece&, std::span<const float> values, Scratch& scratch) {
    auto block = static_cast<size_t>(grid.block);
    for (size_t first = 0; first < values.size(); first += block) {
      if (!block_is_exact(grid, view.info->type, values.subspan(first, block), scratch.rounded)) return false;
    }
    return true;
  });
}

bool whole_tensor_is_exact_for(const CodeGrid& grid, const TensorView& view, double guess) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  std::vector<ScaleInterval> parts(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    parts[index] = interval_of(grid, view.info->type, guess, read_piece(view, pieces[index], scratch));
  });
  ScaleInterval interval;
  for (const ScaleInterval& part : parts) interval.merge(part);
  if (!interval.possible) return false;
  std::vector<float> scales = candidates(grid, interval);
  return std::any_of(scales.begin(), scales.end(), [&](float scale) {
    return every_piece(view, pieces, [&](const Piece&, std::span<const float> values, Scratch& scratch) {
      return restores_all(grid, view.info->type, scale, guess, values, scratch.rounded);
    });
  });
}

bool whole_tensor_is_exact(const CodeGrid& grid, const TensorView& view, float extreme) {
  std::vector<double> guesses = guesses_of(grid, extreme);
  return std::any_of(guesses.begin(), guesses.end(),
                     [&](double guess) { return whole_tensor_is_exact_for(grid, view, guess); });
}

bool requantizes_exactly(const TensorView& view, const Format& format) {
  Rounder rounder(format, *view.info, {});
  return every_piece(view, rounder.pieces(),
                     [&](const Piece& piece, std::span<const float> values, Scratch& scratch) {
                       scratch.rounded.assign(values.begin(), values.end());
                       rounder.round(piece, scratch.rounded, scratch.bytes);
                       store_as(view.info->type, scratch.rounded);
                       return std::equal(values.begin(), values.end(), scratch.rounded.begin());
                     });
}

// Any value alone is a code times a scale: a block must be long enough to say something, and one that is a
// row short enough to be in memory.
std::vector<std::pair<std::string, int64_t>> integer_extents(int64_t row_length) {
  constexpr int64_t kShortest = 16;
  constexpr int64_t kLongest = int64_t{1} << 20;
  std::vector<std::pair<std::string, int64_t>> extents;
  for (int64_t group : {32, 64, 128}) {
    if (group < row_length && row_length % group == 0)
      extents.emplace_back(fmt::format("group={}", group), group);
  }
  if (row_length >= kShortest && row_length <= kLongest) extents.emplace_back("row", row_length);
  extents.emplace_back("tensor", 0);
  return extents;
}

std::vector<CodeGrid> integer_grids(int64_t row_length) {
  std::vector<CodeGrid> grids;
  for (int bits = 2; bits <= 8; ++bits) {
    int half = (1 << (bits - 1)) - 1;
    for (const auto& [extent, block] : integer_extents(row_length)) {
      grids.push_back(
          {parse_format(fmt::format("int{}:{}:restricted", bits, extent)), false, -half, half, &kF32, block});
      grids.push_back(
          {parse_format(fmt::format("int{}:{}:full", bits, extent)), false, -half - 1, half, &kF32, block});
    }
  }
  return grids;
}

std::optional<CodeGrid> ggml_code_grid(const Format& format) {
  switch (std::get<TensorType>(format.kind)) {
    case TensorType::Q4_0:
      return CodeGrid{format, true, -8, 7, &kF16, 32};
    case TensorType::Q5_0:
      return CodeGrid{format, true, -16, 15, &kF16, 32};
    case TensorType::Q8_0:
      return CodeGrid{format, false, -127, 127, &kF16, 32};
    default:
      return std::nullopt;
  }
}

struct Extent {
  float extreme = 0;
  bool finite = true;
};

Extent extent_of(const TensorView& view) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  std::vector<Extent> parts(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    std::span<const float> values = read_piece(view, pieces[index], scratch);
    parts[index].extreme = extreme_of(values);
    parts[index].finite = std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  });
  Extent whole;
  for (const Extent& part : parts) {
    if (std::abs(part.extreme) > std::abs(whole.extreme)) whole.extreme = part.extreme;
    whole.finite = whole.finite && part.finite;
  }
  return whole;
}

}  // namespace

std::vector<std::string> exact_grids(const TensorView& view) {
  const TensorInfo& info = *view.info;
  Extent extent = extent_of(view);
  if (!extent.finite || extent.extreme == 0) return {};
  std::vector<std::pair<double, std::string>> found;  // bits per weight, name
  auto add = [&](const Format& format) {
    found.emplace_back(stored_bits(format, info.row_length, info.value_count).value(), format.name);
  };
  for (const CodeGrid& grid : integer_grids(info.row_length)) {
    if (grid.block == 0 ? whole_tensor_is_exact(grid, view, extent.extreme) : blocks_are_exact(grid, view))
      add(grid.format);
  }
  for (const CatalogEntry& entry : catalog()) {
    const auto* type = std::get_if<TensorType>(&entry.format.kind);
    if (type == nullptr || searches_a_grid(*type) || !misfit(entry.format, info.row_length).empty()) continue;
    std::optional<CodeGrid> grid = ggml_code_grid(entry.format);
    if (grid ? blocks_are_exact(*grid, view) : requantizes_exactly(view, entry.format)) add(entry.format);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& x, const auto& y) { return x.first < y.first; });
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [bits, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace fakequant
