#pragma once
// A variant: a loaded model, as it is or with other weights, that measures are taken of. Knows no measures.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/chunk_decoder.h"
#include "engine/model.h"
#include "engine/weight_patch.h"

namespace fakequant {

// A model in memory and what runs it: loaded once, shared by all variants that only patch weights.
struct RunningModel {
  explicit RunningModel(LoadedModel loaded)
      : weights(std::make_shared<LoadedModel>(std::move(loaded))), model(*weights) {}
  // The model of another one, run with other types of its caches. No decoders yet.
  RunningModel(const RunningModel& other, CacheTypes other_caches)
      : weights(other.weights), model(*weights), caches(other_caches) {}
  RunningModel(const RunningModel&) = delete;
  RunningModel& operator=(const RunningModel&) = delete;

  std::shared_ptr<LoadedModel> weights;  // shared by all that run them
  LoadedModel& model;
  std::optional<CacheTypes> caches = {};  // other than those of the models that it is measured with
  std::vector<std::unique_ptr<ChunkDecoder>> decoders = {};  // alike; that can work at the same time
};

struct Variant {
  std::string name;
  RunningModel* running;         // not owned
  WeightPatch* patch = nullptr;  // not owned; null for the model as it was loaded
};

// For as long as it lives the variant's model computes with the variant's weights. One at a time of a model, whatever runs it.
class ActiveVariant {
 public:
  explicit ActiveVariant(const Variant& variant) : patch_(variant.patch) {
    if (patch_ != nullptr) patch_->apply();
  }
  ~ActiveVariant() {
    if (patch_ != nullptr) patch_->restore();
  }
  ActiveVariant(const ActiveVariant&) = delete;
  ActiveVariant& operator=(const ActiveVariant&) = delete;

 private:
  WeightPatch* patch_;
};

}  // namespace fakequant
