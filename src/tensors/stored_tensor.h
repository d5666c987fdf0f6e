#pragma once
// One tensor of a plan on its way into storage: rounded, encoded and measured in pieces. Does not know where the
// bytes go: into a file, or into a loaded model.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "analysis/difference.h"
#include "base/progress.h"
#include "select/plan.h"
#include "tensors/rounder.h"

namespace fakequant {

struct StorageJob {
  TensorView view;
  const PlannedTensor& planned;
  const Rounder& rounder;  // of the planned format, its ranges learnt
  TensorType type_after;
  double epsilon = kDefaultEpsilon;  // of relative differences
};

struct TensorResult {
  size_t plan_index;  // into Plan::tensors
  TensorType type_before;
  TensorType type_after;
  Difference difference;              // of what is stored, against what the input held
  double store_max_abs = 0;           // largest difference that storing added to rounding
  uint64_t store_changed_count = 0;   // values that the storage type could not hold exactly
  uint64_t saturated_infinities = 0;  // infinite values that became finite
  bool bytes_changed = false;         // the stored bytes differ from the input's
};

// Rounds and encodes all of a tensor. `write` gets every stored byte once, with its offset in the stored tensor, from
// several threads; `progress` the input's bytes as they are done. Sets all of the result but plan_index.
//
//   throws   Error naming the tensor: a quantized storage type that cannot hold the rounded values (it tells of
//            --store auto); a format that meets NaN; whatever `write` throws
//
// Does not depend on the number of threads.
TensorResult store_tensor(const StorageJob& job,
                          const std::function<void(uint64_t offset, std::span<const std::byte> bytes)>& write,
                          Progress& progress);

// The same into memory: the tensor as a file would store it.
std::vector<std::byte> stored_bytes(const StorageJob& job, TensorResult& result, Progress& progress);

}  // namespace fakequant
