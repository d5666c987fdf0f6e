#pragma once
// What the tensors of a model really hold: facts per tensor and what a lossless narrowing would save. Prints
// nothing.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/value_facts.h"
#include "base/progress.h"
#include "gguf/shards.h"
#include "tensors/grids.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

struct TensorReport {
  size_t tensor_index;
  std::optional<ValueFacts> facts;        // nothing for types internal to ggml
  std::string effective_precision;        // of floating types by their values; any other type is its own
  std::vector<GridFinding> grids;         // formats the values are exactly on; empty unless asked for
  std::optional<TensorType> narrow_type;  // the smaller type that `--store narrow` would give it
  uint64_t narrow_saves_bytes = 0;
};

struct InspectOptions {
  bool grids = false;  // look for grids, and for quantized types among those that narrowing may take
  Progress::Mode progress = Progress::Mode::automatic;
};

// Reports on the tensors of these indices, in the order given. Without options.grids narrow_type is F16 or
// BF16 of F32 matrices only; with it, what `--store narrow` would choose for the values as they are. Results
// do not depend on the number of threads.
std::vector<TensorReport> inspect(const Model& model, std::span<const size_t> tensor_indices,
                                  const InspectOptions& options);

// The same of one tensor wherever its bytes are, without looking for grids; its tensor_index is 0.
TensorReport inspect(const TensorView& view);

}  // namespace fakequant
