#include "tensors/grid_passes.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "formats/round_to_grid.h"
#include "tensors/rounder.h"

namespace fakequant {

namespace {

const FloatGrid& storage_grid(TensorType type) {
  return type == TensorType::F16 ? kF16 : type == TensorType::BF16 ? kBf16 : kF32;
}

Probe probe_of(const TensorView& view) {
  Scratch scratch;
  Piece piece = pieces_of(*view.info, 256).front();
  std::span<const float> values = read_piece(view, piece, scratch);
  const int64_t length = std::min(piece.value_count, view.info->row_length);
  const uint64_t row_bytes = piece.byte_count / static_cast<uint64_t>(piece.value_count / length);
  int64_t row = 0;
  auto values_of_row = [&] {
    return values.subspan(static_cast<size_t>(row * length), static_cast<size_t>(length));
  };
  while ((row + 1) * length < piece.value_count && extreme_of(values_of_row()) == 0) ++row;
  std::span<const float> found = values_of_row();
  return {{.first_row = piece.first_row + row,
           .first_value = piece.first_value + row * length,
           .value_count = length,
           .byte_offset = piece.byte_offset + static_cast<uint64_t>(row) * row_bytes,
           .byte_count = row_bytes},
          {found.begin(), found.end()}};
}

using Holds = std::function<bool(const Piece&, std::span<const float>, Scratch&)>;

// True when `holds` is true of every piece; stops looking at the first that fails.
bool every_piece(const Subject& subject, std::span<const Piece> pieces, const Holds& holds) {
  std::atomic<bool> all = true;
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    if (all && !holds(pieces[index], read_piece(subject.view, pieces[index], scratch), scratch)) all = false;
  });
  return all;
}

bool every_block(std::span<const float> values, size_t block, const BlockHolds& holds,
                 std::vector<float>& scratch) {
  for (size_t first = 0; first < values.size(); first += block) {
    if (!holds(values.subspan(first, std::min(block, values.size() - first)), scratch)) return false;
  }
  return true;
}

// So few F32 numbers are left that scales_in() gives all of them.
bool is_narrow(const ScaleInterval& interval) {
  return interval.high - interval.low <= 0x1p-22 * interval.low;
}

// What every piece leaves of the scales `start`.
ScaleInterval allowed_by_all(const Subject& subject, const CodeLevels& levels,
                             const ProductRounding& rounding, const ScaleInterval& start,
                             std::span<const Piece> pieces) {
  std::vector<ScaleInterval> parts(pieces.size(), start);
  std::atomic<bool> possible = true;
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    if (!possible) return;
    parts[index] = scales_for(levels, rounding, start, read_piece(subject.view, pieces[index], scratch));
    if (!parts[index].possible()) possible = false;
  });
  ScaleInterval interval = start;
  for (const ScaleInterval& part : parts) interval.cut(part);
  return interval;
}

// One scale for the whole tensor: the scales that every piece allows, then `restored` with each of the few
// that remain.
bool tensor_scale_holds(const Subject& subject, const CodeLevels& levels, const ProductRounding& rounding,
                        const std::function<bool(float, std::span<const float>, Scratch&)>& restored) {
  const std::vector<Piece> pieces = pieces_of(subject.info(), TwoLevelScales::kBlock);
  for (double level : levels.outer(subject.extreme < 0)) {
    const ScaleInterval start =
        scales_for(levels, rounding, scales_between(rounding, subject.extreme, level), subject.probe.values);
    if (!start.possible()) continue;
    const ScaleInterval interval =
        is_narrow(start) ? start : allowed_by_all(subject, levels, rounding, start, pieces);
    if (!interval.possible()) continue;
    for (float scale : scales_in(interval, kF32)) {
      Scratch scratch;
      if (!restored(scale, subject.probe.values, scratch)) continue;
      if (every_piece(subject, pieces, [&](const Piece&, std::span<const float> values, Scratch& memory) {
            return restored(scale, values, memory);
          }))
        return true;
    }
  }
  return false;
}

// 128 rows of one matrix at a time; the last ones of a matrix may be fewer.
std::vector<Piece> tile_rows_of(const TensorInfo& info) {
  const int64_t matrix_rows = info.shape.size() > 1 ? info.shape[1] : 1;
  const uint64_t row_bytes = info.data_bytes / static_cast<uint64_t>(info.row_count);
  std::vector<Piece> pieces;
  for (int64_t row = 0; row < info.row_count;) {
    const int64_t rows = std::min(kTile, matrix_rows - row % matrix_rows);
    pieces.push_back({row, row * info.row_length, rows * info.row_length,
                      static_cast<uint64_t>(row) * row_bytes, static_cast<uint64_t>(rows) * row_bytes});
    row += rows;
  }
  return pieces;
}

}  // namespace

Subject::Subject(const TensorView& tensor, const ValueFacts& its_facts)
    : view(tensor),
      facts(its_facts),
      storage(storage_grid(tensor.info->type)),
      extreme(static_cast<float>(-facts.statistics.min() > facts.statistics.max() ? facts.statistics.min()
                                                                                  : facts.statistics.max())),
      probe(probe_of(tensor)) {}

// Blocks along the row, or whole rows.
bool blocks_hold(const Subject& subject, int64_t block, const BlockHolds& holds) {
  std::vector<float> scratch;
  const bool rows = block == subject.info().row_length;
  auto length = static_cast<size_t>(block);
  // Of a row that is cut the probe is a part.
  if (!every_block(subject.probe.values, length, holds, scratch)) return false;
  return every_piece(subject, pieces_of(subject.info(), block, rows),
                     [&](const Piece&, std::span<const float> values, Scratch& memory) {
                       return every_block(values, length, holds, memory.rounded);
                     });
}

bool one_scale_holds(const Subject& subject, const CodeLevels& levels) {
  return tensor_scale_holds(subject, levels, one_product(subject.storage),
                            [&](float scale, std::span<const float> values, Scratch& scratch) {
                              return restores(levels, subject.storage, scale, values, scratch.rounded);
                            });
}

bool two_levels_hold(const Subject& subject) {
  static const TwoLevelScales scales;
  return tensor_scale_holds(subject, scales.products(), two_products(subject.storage),
                            [&](float scale, std::span<const float> values, Scratch& scratch) {
                              return scales.restore(subject.storage, scale, values, scratch.rounded);
                            });
}

bool tiles_hold(const Subject& subject, const ScaledLevels& levels) {
  const auto row_length = static_cast<size_t>(subject.info().row_length);
  constexpr auto kWidth = static_cast<size_t>(kTile);
  std::vector<float> scratch;
  if (!every_block(
          subject.probe.values, kWidth,
          [&](std::span<const float> block, std::vector<float>& memory) {
            return levels.hold(subject.storage, block, memory);
          },
          scratch))
    return false;
  return every_piece(subject, tile_rows_of(subject.info()),
                     [&](const Piece&, std::span<const float> values, Scratch& memory) {
                       const size_t rows = values.size() / row_length;
                       std::vector<float>& tile = memory.stored;
                       for (size_t column = 0; column < row_length; column += kWidth) {
                         tile.clear();
                         for (size_t row = 0; row < rows; ++row) {
                           auto begin =
                               values.begin() + static_cast<std::ptrdiff_t>(row * row_length + column);
                           tile.insert(tile.end(), begin, begin + kTile);
                         }
                         if (!levels.hold(subject.storage, tile, memory.rounded)) return false;
                       }
                       return true;
                     });
}

bool requantizes_exactly(const Subject& subject, const Format& format) {
  Rounder rounder(format, subject.info(), {});
  auto same_again = [&](const Piece& piece, std::span<const float> values, Scratch& scratch) {
    scratch.rounded.assign(values.begin(), values.end());
    rounder.round(piece, scratch.rounded, scratch.bytes);
    if (!(subject.storage == kF32))
      round_to_grid(subject.storage, Rounding::rne, Overflow::infinite, scratch.rounded);
    return std::equal(values.begin(), values.end(), scratch.rounded.begin());
  };
  Scratch own;
  return same_again(subject.probe.piece, subject.probe.values, own) &&
         every_piece(subject, rounder.pieces(), same_again);
}

}  // namespace fakequant
