#pragma once
// Weights of a loaded model that hold other bytes for a while. Does not know where those come from.

#include <cstddef>
#include <string>
#include <vector>

#include "engine/weights.h"

namespace fakequant {

// What a weight holds instead, in the storage type of the model.
struct WeightChange {
  std::string name;
  std::vector<std::byte> bytes;
};

// Takes as much memory as the changed weights: while it is applied, that memory holds what they were.
class WeightPatch {
 public:
  // `weights` must outlive it. Every change names a weight that is there, of its size (checked).
  WeightPatch(ModelWeights& weights, std::vector<WeightChange> changes);
  ~WeightPatch();  // restores
  WeightPatch(const WeightPatch&) = delete;
  WeightPatch& operator=(const WeightPatch&) = delete;

  // Not while a decoder of the model works, and only one patch of a model at a time.
  void apply();
  void restore();
  bool is_applied() const { return applied_; }

  size_t bytes() const;  // that it changes

 private:
  void exchange();

  ModelWeights& weights_;
  std::vector<WeightChange> changes_;
  bool applied_ = false;
};

}  // namespace fakequant
