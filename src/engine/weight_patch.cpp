#include "engine/weight_patch.h"

#include "base/error.h"

namespace fakequant {

WeightPatch::WeightPatch(ModelWeights& weights, std::vector<WeightChange> changes)
    : weights_(weights), changes_(std::move(changes)) {
  for (const WeightChange& change : changes_) FQ_CHECK(change.bytes.size() == weights_.bytes(change.name));
}

WeightPatch::~WeightPatch() {
  if (applied_) restore();
}

void WeightPatch::apply() {
  FQ_CHECK(!applied_);
  exchange();
}

void WeightPatch::restore() {
  FQ_CHECK(applied_);
  exchange();
}

void WeightPatch::exchange() {
  for (WeightChange& change : changes_) weights_.exchange(change.name, change.bytes);
  applied_ = !applied_;
}

size_t WeightPatch::bytes() const {
  size_t total = 0;
  for (const WeightChange& change : changes_) total += change.bytes.size();
  return total;
}

}  // namespace fakequant
