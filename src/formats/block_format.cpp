#include "formats/block_format.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/catalog.h"
#include "formats/format_grammar.h"

namespace fakequant {

namespace {

uint64_t bits_of(ScaleType type) {
  switch (type) {
    case ScaleType::f32:
      return 32;
    case ScaleType::f16:
    case ScaleType::bf16:
      return 16;
    case ScaleType::e8m0:
    case ScaleType::e4m3_tensor:
      return 8;
  }
  FQ_CHECK(!"a scale type without bits");
}

uint64_t scales_of(const BlockFormat& format, uint64_t row_length, uint64_t weights) {
  switch (format.extent) {
    case ScaleExtent::none:
      return 0;
    case ScaleExtent::tensor:
      return 1;
    case ScaleExtent::row:
      return weights / row_length;
    case ScaleExtent::group: {
      auto group = static_cast<uint64_t>(format.group_values);
      return weights / row_length * ((row_length + group - 1) / group);
    }
  }
  FQ_CHECK(!"a scale of no extent");
}

BitsPerWeight own_bits(const BlockFormat& format, int64_t row_length, int64_t value_count) {
  auto weights = static_cast<uint64_t>(value_count);
  if (weights == 0) return {0, 0};
  StoredParts parts = stored_parts(format);
  uint64_t scales = scales_of(format, static_cast<uint64_t>(row_length), weights);
  return {weights * parts.code_bits + scales * (parts.scale_bits + parts.zero_point_bits) + parts.tensor_bits,
          weights};
}

// Shorter groups spend more bits on scales than any user means to.
constexpr int64_t kShortestGroup = 4;

// The group nearest to `wanted` (by ratio) that divides the row; 1 when only trivial ones do.
int64_t nearest_group(int64_t row_length, int64_t wanted) {
  int64_t best = 1;
  auto distance = [&](int64_t group) {
    return std::abs(std::log2(static_cast<double>(group) / static_cast<double>(wanted)));
  };
  for (int64_t group = 2; group <= std::min(row_length, 4 * wanted); ++group) {
    if (row_length % group == 0 && distance(group) < distance(best)) best = group;
  }
  return best;
}

// A group of another length with the same codes. Where the length is a part of the format itself (MX, NVFP4) the
// scale is no longer that format's either: it becomes F32.
BlockFormat regrouped(BlockFormat block, int64_t row_length) {
  int64_t group = nearest_group(row_length, block.group_values);
  block.extent = group >= kShortestGroup ? ScaleExtent::group : ScaleExtent::row;
  block.group_values = group >= kShortestGroup ? group : 0;
  if (block.has_standard_scale()) {
    block.scale_type = ScaleType::f32;
    block.scale_rule = ScaleRule::floor;
  }
  return block;
}

std::string group_misfit(const BlockFormat& block, int64_t row_length) {
  return fmt::format(
      "its rows of {} values are no multiple of the group of {}; the nearest format that fits is {}",
      row_length, block.group_values, canonical_name(regrouped(block, row_length)));
}

// The ggml type whose block divides the row and whose bits per weight are nearest.
std::string ggml_misfit(TensorType type, int64_t row_length) {
  const TypeFacts& wanted = facts_of(type);
  const CatalogEntry* best = nullptr;
  double best_distance = 0;
  for (const CatalogEntry& entry : catalog()) {
    const auto* other = std::get_if<TensorType>(&entry.format.kind);
    if (other == nullptr || row_length % facts_of(*other).block_values != 0) continue;
    double distance = std::abs(bits_per_weight(*other) - bits_per_weight(type));
    if (best == nullptr || distance < best_distance) {
      best = &entry;
      best_distance = distance;
    }
  }
  int own_bits = std::clamp(static_cast<int>(bits_per_weight(type)), 2, 16);
  int64_t group = nearest_group(row_length, 32);
  std::string extent = group < kShortestGroup ? "row" : fmt::format("group={}", group);
  std::string nearest = best != nullptr ? best->name : fmt::format("int{}:{}", own_bits, extent);
  return fmt::format(
      "its rows of {} values are no multiple of {}'s block of {}; the nearest format that fits is {}",
      row_length, lower_name(type), wanted.block_values, nearest);
}

}  // namespace

bool Format::leaves_values() const {
  const auto* block = std::get_if<BlockFormat>(&kind);
  const auto* grid = block != nullptr ? std::get_if<FloatGrid>(&block->grid) : nullptr;
  return grid != nullptr && *grid == kF32;
}

bool Format::is_stochastic() const {
  const auto* block = std::get_if<BlockFormat>(&kind);
  return block != nullptr && block->rounding == Rounding::sr;
}

StoredParts stored_parts(const BlockFormat& format) {
  auto code = static_cast<uint64_t>(code_bits(format.grid));
  return {.code_bits = code,
          .scale_bits = format.has_scale() ? bits_of(format.scale_type) : 0,
          .zero_point_bits = format.has_zero_point() ? code : 0,
          .tensor_bits = format.scale_type == ScaleType::e4m3_tensor ? uint64_t{32} : 0};
}

BitsPerWeight stored_bits(const Format& format, int64_t row_length, int64_t value_count) {
  if (const auto* block = std::get_if<BlockFormat>(&format.kind))
    return own_bits(*block, row_length, value_count);
  const TypeFacts& facts = facts_of(std::get<TensorType>(format.kind));
  auto weights = static_cast<uint64_t>(value_count);
  // Where rows are no whole blocks the share of a block counts, rounded up to a whole bit.
  return {(weights * facts.block_bytes * 8 + facts.block_values - 1) / facts.block_values, weights};
}

std::string misfit(const Format& format, int64_t row_length) {
  if (row_length <= 0) return "";
  if (const auto* block = std::get_if<BlockFormat>(&format.kind)) {
    bool fits = block->extent != ScaleExtent::group || row_length % block->group_values == 0;
    return fits ? "" : group_misfit(*block, row_length);
  }
  TensorType type = std::get<TensorType>(format.kind);
  return row_length % facts_of(type).block_values == 0 ? "" : ggml_misfit(type, row_length);
}

}  // namespace fakequant
