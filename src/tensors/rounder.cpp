#include "tensors/rounder.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"
#include "formats/random_words.h"
#include "tensors/importance.h"

namespace fakequant {

namespace {

std::vector<Piece> pieces_for(const Format& format, const TensorInfo& info, bool has_importance) {
  if (const auto* type = std::get_if<TensorType>(&format.kind)) {
    // With importance ggml looks at statistics of the whole row.
    return pieces_of(info, facts_of(*type).block_values, has_importance);
  }
  const auto& block = std::get<BlockFormat>(format.kind);
  return pieces_of(info, block.extent == ScaleExtent::group ? block.group_values : 1);
}

}  // namespace

void Rounder::check(const Format& format, const TensorInfo& info, bool has_importance) {
  const auto* type = std::get_if<TensorType>(&format.kind);
  if (type != nullptr && !has_importance && needs_importance(*type)) {
    throw Error(
        "tensor '{}': {} needs an importance matrix and there is none for it: give --imatrix with an entry "
        "of this name",
        printable(info.name), format.name);
  }
  if (info.type == TensorType::F64) {
    throw Error(
        "tensor '{}': values of type F64 are not rounded, since they are read as F32; leave the tensor out",
        printable(info.name));
  }
}

Rounder::Rounder(const Format& format, const TensorInfo& info, std::vector<float> importance, uint64_t seed)
    : format_(format),
      info_(info),
      importance_(std::move(importance)),
      random_key_(random_key(seed, info.name)),
      pieces_(pieces_for(format, info, !importance_.empty())) {
  check(format, info, !importance_.empty());
}

bool Rounder::needs_ranges() const {
  const auto* block = std::get_if<BlockFormat>(&format_.kind);
  if (block == nullptr || pieces_.empty()) return false;
  bool rows_are_cut = pieces_.front().value_count < info_.row_length;
  return block->needs_tensor_range() || (block->extent == ScaleExtent::row && rows_are_cut);
}

void Rounder::learn_ranges(const TensorView& view) {
  std::vector<ScaleRange> parts(pieces_.size());
  for_each_piece(pieces_, [&](size_t index, Scratch& scratch) {
    parts[index] = scale_range(read_piece(view, pieces_[index], scratch));
  });
  bool per_row = std::get<BlockFormat>(format_.kind).extent == ScaleExtent::row;
  ranges_.assign(per_row ? static_cast<size_t>(info_.row_count) : 1, {});
  for (size_t i = 0; i < pieces_.size(); ++i) {
    ranges_[per_row ? static_cast<size_t>(pieces_[i].first_row) : 0].merge(parts[i]);
  }
}

std::optional<TensorType> Rounder::encoded_type() const {
  const auto* type = std::get_if<TensorType>(&format_.kind);
  return type != nullptr ? std::optional(*type) : std::nullopt;
}

void Rounder::round(const Piece& piece, std::span<float> values, std::vector<std::byte>& bytes) const {
  if (format_.leaves_values()) return;
  if (const auto* type = std::get_if<TensorType>(&format_.kind)) {
    round_by_ggml(*type, piece, values, bytes);
    return;
  }
  FQ_CHECK(!needs_ranges() || !ranges_.empty());
  const auto& block = std::get<BlockFormat>(format_.kind);
  TensorContext context{
      .range = {}, .random_key = random_key_, .first_value = static_cast<uint64_t>(piece.first_value)};
  bool cut_row = block.extent == ScaleExtent::row && !ranges_.empty();
  if (cut_row) {
    round_with_range(block, ranges_[static_cast<size_t>(piece.first_row)], context, values);
    return;
  }
  if (block.needs_tensor_range()) context.range = ranges_.at(0);
  bool part_of_row = piece.value_count < info_.row_length;
  fake_quantize_rows(block, part_of_row ? piece.value_count : info_.row_length, context, values);
}

void Rounder::round_by_ggml(TensorType type, const Piece& piece, std::span<float> values,
                            std::vector<std::byte>& bytes) const {
  bytes.resize(bytes_of_values(type, values.size()));
  bool part_of_row = piece.value_count < info_.row_length;
  int64_t row_length = part_of_row ? piece.value_count : info_.row_length;
  int64_t row_count = piece.value_count / row_length;
  try {
    for (int64_t row = 0; row < row_count;) {
      int64_t global_row = piece.first_row + row;
      int64_t rows = importance_.empty() ? row_count
                                         : std::min(row_count - row, rows_sharing_weights(info_, global_row));
      auto first = static_cast<size_t>(row * row_length);
      auto count = static_cast<size_t>(rows * row_length);
      std::span<std::byte> target(bytes.data() + bytes_of_values(type, first), bytes_of_values(type, count));
      encode(type, row_length, values.subspan(first, count), weights_for_row(importance_, info_, global_row),
             target);
      row += rows;
    }
  } catch (const Error& error) {
    throw Error("tensor '{}', rows from {}: {}", printable(info_.name), piece.first_row, error.what());
  }
  decode(type, bytes, values);
}

}  // namespace fakequant
