#pragma once
// Any format, our own or ggml's, as one function on rows of one tensor. Knows no files.

#include <optional>
#include <span>
#include <vector>

#include "formats/block_format.h"
#include "formats/fake_quantize.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

class Rounder {
 public:
  // `importance` is what ImportanceMatrix::weights_for gave for the tensor, or empty; `seed` decides, together
  // with the tensor's name, what stochastic rounding draws; `format` and `info` must outlive the rounder.
  // Throws Error as check() does.
  Rounder(const Format& format, const TensorInfo& info, std::vector<float> importance, uint64_t seed = 0);

  // Throws Error naming the tensor when the format needs an importance matrix and there is none for it, or
  // when its values are doubles, which rows of floats cannot carry.
  static void check(const Format& format, const TensorInfo& info, bool has_importance);

  // The pieces in which this format can be applied to the tensor.
  const std::vector<Piece>& pieces() const { return pieces_; }

  // True when a scale takes more than the values of a piece: then learn_ranges() must run before round() (checked).
  bool needs_ranges() const;
  void learn_ranges(const TensorView& view);

  // The ggml type whose codes round() leaves in `bytes`; nothing for formats of our own.
  std::optional<TensorType> encoded_type() const;

  // Replaces the values of a piece by their restored values. `bytes` gets the piece as encoded_type(), or is scratch
  // memory. Pieces may run in parallel. Throws Error naming the tensor when a ggml type meets NaN or Inf.
  void round(const Piece& piece, std::span<float> values, std::vector<std::byte>& bytes) const;

 private:
  void round_by_ggml(TensorType type, const Piece& piece, std::span<float> values,
                     std::vector<std::byte>& bytes) const;

  const Format& format_;
  const TensorInfo& info_;
  std::vector<float> importance_;
  uint64_t random_key_;
  std::vector<Piece> pieces_;
  std::vector<ScaleRange> ranges_;  // of the tensor, or of every row when rows are cut
};

}  // namespace fakequant
