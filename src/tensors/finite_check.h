#pragma once
// Which tensors of a model hold NaN or Inf, and where. Prints nothing and changes nothing.

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "gguf/shards.h"

namespace fakequant {

struct NonFiniteTensor {
  std::string name;
  uint64_t nan_count;  // of values as decode() restores them
  uint64_t inf_count;
  int64_t first_index;  // of the first such value, in the order of the file
};

// Reads every tensor once, in pieces, on all threads, and decodes only pieces in which something is amiss; those whose
// type cannot be decoded are left out. In the order of the file; the result does not depend on the number of threads.
// Throws Error when the file cannot be read.
std::vector<NonFiniteTensor> find_non_finite(const Model& model, Progress::Mode progress);

// For a sentence: "'blk.0.ffn_up.weight' (3 NaN and 1 Inf, the first at index 17) and 2 more tensors"; of at most
// four by name. "" for none.
std::string describe(const std::vector<NonFiniteTensor>& tensors);

}  // namespace fakequant
