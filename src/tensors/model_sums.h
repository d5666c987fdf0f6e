#pragma once
// What a model's tensors take together, from its headers. Looks at no values.

#include <cstdint>
#include <map>
#include <string>

#include "gguf/shards.h"

namespace fakequant {

struct TypeSum {
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};

struct ModelSums {
  std::map<std::string, TypeSum> types;  // by the name of the type
  uint64_t weights = 0;
  uint64_t bytes = 0;  // of tensors alone

  double bits_per_weight() const;  // 0 for no weights
};

ModelSums sums_of(const Model& model);

}  // namespace fakequant
