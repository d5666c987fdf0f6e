#pragma once
// Passes over a tensor that ask whether all its values are on one grid: the first row alone, then every piece
// until one is not. Which grids there are to ask for is grids.h's.

#include <functional>
#include <span>
#include <vector>

#include "analysis/scale_fit.h"
#include "analysis/value_facts.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

// A row that decides most tensors: the first of the first piece that holds more than zeros, or its part that
// is in the piece.
struct Probe {
  Piece piece;
  std::vector<float> values;
};

// A tensor under examination: finite, with a value that is not 0.
struct Subject {
  const TensorView& view;
  const ValueFacts& facts;
  FloatGrid storage;
  float extreme;
  Probe probe;

  Subject(const TensorView& tensor, const ValueFacts& its_facts);

  const TensorInfo& info() const { return *view.info; }
};

inline constexpr int64_t kTile = 128;

using BlockHolds = std::function<bool(std::span<const float>, std::vector<float>&)>;

// Whether `holds` (values, scratch) is true of every run of `block` values, which divides the rows or is one.
bool blocks_hold(const Subject& subject, int64_t block, const BlockHolds& holds);

// Whether one F32 scale restores the whole tensor.
bool one_scale_holds(const Subject& subject, const CodeLevels& levels);

// NVFP4: one F32 scale, and one in E4M3 per 16 values along the row.
bool two_levels_hold(const Subject& subject);

// Whether every tile of kTile x kTile values has a scale; kTile divides the rows, the last tiles of a matrix
// may be lower. kTile rows are in memory at once.
bool tiles_hold(const Subject& subject, const ScaledLevels& levels);

// Whether rounding to a ggml type, without importance, changes no value as it is stored.
bool requantizes_exactly(const Subject& subject, const Format& format);

}  // namespace fakequant
