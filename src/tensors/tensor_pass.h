#pragma once
// Walks over the values of a tensor in pieces that fit in memory, whatever the tensor's size: decode, visit.
// Shared by inspect, compare and rewrite. Knows no formats.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gguf/shards.h"

namespace fakequant {

// A tensor's description and its bytes in the map.
struct TensorView {
  const TensorInfo* info;
  std::span<const std::byte> bytes;
};

TensorView view_of(const Model& model, size_t tensor_index);

// A run of values: some whole rows, or a part of one long row.
struct Piece {
  int64_t first_row;
  int64_t first_value;  // index in the tensor
  int64_t value_count;
  uint64_t byte_offset;  // in the tensor's data
  uint64_t byte_count;
};

// Splits a tensor into pieces of about 2^16 values, in order.
//
//   unit        rows longer than 2^17 values are cut at multiples of `unit` values and of the storage type's
//               block; shorter ones never
//   whole_rows  never cut a row, however long
std::vector<Piece> pieces_of(const TensorInfo& info, int64_t unit = 1, bool whole_rows = false);

// The part of the view that holds a piece.
inline std::span<const std::byte> bytes_of(const TensorView& view, const Piece& piece) {
  return view.bytes.subspan(piece.byte_offset, piece.byte_count);
}

// Float memory of one thread, reused from piece to piece.
struct Scratch {
  std::vector<float> original;
  std::vector<float> rounded;
  std::vector<float> stored;
  std::vector<std::byte> bytes;
};

// Resizes `values` and decodes the piece into it. Throws Error naming the tensor when its type cannot be
// decoded.
std::span<float> decode_piece(const TensorView& view, const Piece& piece, std::vector<float>& values);

// Calls body(piece_index, scratch) for every piece on all threads, in no promised order. Store results by
// index.
void for_each_piece(std::span<const Piece> pieces, const std::function<void(size_t, Scratch&)>& body);

}  // namespace fakequant
