#pragma once
// Walks over the values of a tensor in pieces that fit in memory, whatever the tensor's size: decode, visit.
// Shared by inspect, compare, profile and rewrite. Knows no formats.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gguf/shards.h"

namespace fakequant {

// A tensor's description and where its bytes are.
struct TensorView {
  const TensorInfo* info;
  std::span<const std::byte> bytes;  // in the map
  const MappedFile* file = nullptr;  // the file they are in; null for bytes in memory
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

// Memory of one thread, reused from piece to piece.
struct Scratch {
  std::vector<std::byte> raw;        // bytes as the file stores them
  std::vector<std::byte> other_raw;  // of a second file
  std::vector<float> original;
  std::vector<float> rounded;
  std::vector<float> stored;
  std::vector<std::byte> bytes;  // encoded values
};

// The bytes of a piece. They are read from the file into `buffer`: that takes two thirds of the time that touching
// the pages of a map does, keeps them out of this process's memory, and tells of a file that became shorter (Error)
// where a map raises a signal.
std::span<const std::byte> fetch(const TensorView& view, const Piece& piece, std::vector<std::byte>& buffer);

// Resizes `values` and decodes `raw`, the fetched bytes of a piece, into it. Throws Error naming the tensor when its
// type cannot be decoded.
std::span<float> decode_piece(const TensorView& view, std::span<const std::byte> raw, const Piece& piece,
                              std::vector<float>& values);

// Both: fetches a piece and decodes it into scratch.original.
std::span<float> read_piece(const TensorView& view, const Piece& piece, Scratch& scratch);

// Calls body(piece_index, scratch) for every piece on all threads, in no promised order. Store results by
// index.
void for_each_piece(std::span<const Piece> pieces, const std::function<void(size_t, Scratch&)>& body);

}  // namespace fakequant
