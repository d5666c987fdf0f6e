#include "tensors/tensor_pass.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "engine/codec.h"

namespace fakequant {

namespace {

// Three float copies of a piece fit in a core's own cache.
constexpr int64_t kPieceValues = int64_t{1} << 16;
constexpr int64_t kLongRow = int64_t{1} << 17;

}  // namespace

TensorView view_of(const Model& model, size_t tensor_index) {
  const Model::Located& located = model.tensors()[tensor_index];
  return {located.info, model.data_of(located), &model.shards()[located.shard_index].file()};
}

std::vector<Piece> pieces_of(const TensorInfo& info, int64_t unit, bool whole_rows) {
  std::vector<Piece> pieces;
  if (info.value_count == 0) return pieces;
  const TypeFacts& facts = facts_of(info.type);
  auto add = [&](int64_t first_value, int64_t value_count) {
    auto blocks_before = static_cast<uint64_t>(first_value / facts.block_values);
    auto blocks = static_cast<uint64_t>(value_count / facts.block_values);
    pieces.push_back({first_value / info.row_length, first_value, value_count,
                      blocks_before * facts.block_bytes, blocks * facts.block_bytes});
  };
  int64_t row_length = info.row_length;
  if (row_length > kLongRow && !whole_rows) {
    int64_t step = std::lcm(unit, static_cast<int64_t>(facts.block_values));
    step *= std::max<int64_t>(1, kPieceValues / step);
    for (int64_t row = 0; row < info.row_count; ++row) {
      for (int64_t first = 0; first < row_length; first += step) {
        add(row * row_length + first, std::min(step, row_length - first));
      }
    }
    return pieces;
  }
  int64_t rows = std::max<int64_t>(1, kPieceValues / row_length);
  for (int64_t row = 0; row < info.row_count; row += rows) {
    add(row * row_length, std::min(rows, info.row_count - row) * row_length);
  }
  return pieces;
}

std::span<const std::byte> fetch(const TensorView& view, const Piece& piece, std::vector<std::byte>& buffer) {
  if (view.file == nullptr || view.file->descriptor() < 0)
    return view.bytes.subspan(piece.byte_offset, piece.byte_count);
  buffer.resize(piece.byte_count);
  view.file->read(view.info->data_offset + piece.byte_offset, buffer);
  return buffer;
}

std::span<float> decode_piece(const TensorView& view, std::span<const std::byte> raw, const Piece& piece,
                              std::vector<float>& values) {
  values.resize(static_cast<size_t>(piece.value_count));
  if (!can_decode(view.info->type)) {
    throw Error("tensor '{}': values of type {} cannot be read, the type is internal to ggml",
                printable(view.info->name), name_of(view.info->type));
  }
  decode(view.info->type, raw, values);
  return values;
}

std::span<float> read_piece(const TensorView& view, const Piece& piece, Scratch& scratch) {
  return decode_piece(view, fetch(view, piece, scratch.raw), piece, scratch.original);
}

void for_each_piece(std::span<const Piece> pieces, const std::function<void(size_t, Scratch&)>& body) {
  parallel_for(pieces.size(), [&](size_t index) {
    // Kept from tensor to tensor: fresh memory costs as much as reading into it.
    thread_local Scratch scratch;
    body(index, scratch);
  });
}

}  // namespace fakequant
