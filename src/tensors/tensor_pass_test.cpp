#include "tensors/tensor_pass.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TensorInfo tensor_of(TensorType type, int64_t row_length, int64_t row_count) {
  const TypeFacts& facts = facts_of(type);
  uint64_t bytes = static_cast<uint64_t>(row_length * row_count) / facts.block_values * facts.block_bytes;
  return {"t", type, {row_length, row_count}, row_length, row_count, row_length * row_count, 0, 0, bytes};
}

// The pieces lie one behind the other and cover the tensor.
void expect_cover(const TensorInfo& info, const std::vector<Piece>& pieces) {
  int64_t values = 0;
  uint64_t bytes = 0;
  for (const Piece& piece : pieces) {
    EXPECT_EQ(piece.first_value, values);
    EXPECT_EQ(piece.byte_offset, bytes);
    EXPECT_EQ(piece.first_row, values / info.row_length);
    EXPECT_GT(piece.value_count, 0);
    values += piece.value_count;
    bytes += piece.byte_count;
  }
  EXPECT_EQ(values, info.value_count);
  EXPECT_EQ(bytes, info.data_bytes);
}

TEST(PiecesOf, CoverTensorsOfEveryTypeAndShape) {
  for (const TypeFacts& facts : all_tensor_types()) {
    for (int64_t row_blocks : {1, 3, 5000}) {
      for (int64_t rows : {1, 7, 1000}) {
        TensorInfo info = tensor_of(facts.type, row_blocks * facts.block_values, rows);
        expect_cover(info, pieces_of(info));
      }
    }
  }
}

TEST(PiecesOf, NeverCutARowOfUpTo2To17Values) {
  TensorInfo info = tensor_of(TensorType::F16, int64_t{1} << 17, 3);
  std::vector<Piece> pieces = pieces_of(info);
  EXPECT_EQ(pieces.size(), 3u);
  for (const Piece& piece : pieces) EXPECT_EQ(piece.value_count, info.row_length);
}

TEST(PiecesOf, CutLongerRowsAtMultiplesOfUnitAndBlock) {
  TensorInfo info = tensor_of(TensorType::Q8_0, int64_t{96} << 12, 2);
  std::vector<Piece> pieces = pieces_of(info, 48);
  expect_cover(info, pieces);
  EXPECT_GT(pieces.size(), 4u);
  for (const Piece& piece : pieces) {
    EXPECT_EQ(piece.first_value % info.row_length % 96, 0);
    EXPECT_EQ(piece.first_value / info.row_length,
              (piece.first_value + piece.value_count - 1) / info.row_length);
  }
  EXPECT_EQ(pieces_of(info, 48, true).size(), 2u);
}

TEST(PiecesOf, HoldAbout2To16Values) {
  TensorInfo info = tensor_of(TensorType::F32, 1000, 1000);
  for (const Piece& piece : pieces_of(info)) EXPECT_LE(piece.value_count, int64_t{1} << 16);
  EXPECT_EQ(pieces_of(info).size(), (1000u + 64) / 65);
}

TEST(PiecesOf, ATensorWithoutValuesHasNone) {
  TensorInfo info = tensor_of(TensorType::F32, 0, 0);
  EXPECT_TRUE(pieces_of(info).empty());
}

}  // namespace
}  // namespace fakequant
