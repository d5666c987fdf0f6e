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

namespace fakequant {

struct TensorReport {
  size_t tensor_index;
  std::optional<ValueFacts> facts;        // nothing for types internal to ggml
  std::string effective_precision;        // of floating types by their values; any other type is its own
  std::vector<std::string> grids;         // block formats the values are exactly on; empty unless asked for
  std::optional<TensorType> narrow_type;  // the smaller type that holds a matrix exactly
  uint64_t narrow_saves_bytes = 0;
};

struct InspectOptions {
  bool grids = false;
  Progress::Mode progress = Progress::Mode::automatic;
};

// Reports on the tensors of these indices, in the order given. Results do not depend on the number of
// threads.
std::vector<TensorReport> inspect(const Model& model, std::span<const size_t> tensor_indices,
                                  const InspectOptions& options);

// The smallest of F16, BF16 that holds values with these needs, or nothing. F16 is tried first: more of
// llama.cpp's kernels run it fast.
std::optional<TensorType> exact_half_type(const PrecisionNeeds& needs);

// Whether `--store narrow` may change this tensor's type: the role group "matrices", since
// llama.cpp's kernels want 1-D tensors in F32.
bool may_narrow(const TensorInfo& info);

}  // namespace fakequant
