#pragma once
// A recipe decided for one model: which bytes each weight gets, in memory, in the model's own types or in wider ones,
// or really quantized. Knows neither logits nor measures.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/weight_patch.h"
#include "evaluate/patch_report.h"
#include "gguf/virtual_file.h"
#include "tensors/storage.h"

namespace fakequant {

struct RecipeInputs {
  const Model& model;
  const ImportanceMatrix& importance;
  uint64_t seed = 0;  // of stochastic rounding
};

// Refers to its inputs and to itself: neither moves nor outlives them.
class PlannedRecipe {
 public:
  // Decides types as `quantize` does for a file: stores auto and narrow read every planned tensor. Throws Error as
  // PlannedRounders and decide_storage do.
  PlannedRecipe(std::string name, Plan plan, const RecipeInputs& inputs, Progress::Mode progress);
  PlannedRecipe(const PlannedRecipe&) = delete;
  PlannedRecipe& operator=(const PlannedRecipe&) = delete;

  const std::string& name() const { return name_; }
  const Plan& plan() const { return plan_; }
  const Model& model() const { return model_; }
  const PlannedRounders& rounders() const { return rounders_; }
  // The storage type of every tensor of the model after the plan.
  const std::vector<TensorType>& types() const { return types_; }
  bool changes_types() const;
  // The types in which the unrounded model is what a model of types() is compared with: types(), but F32 where those
  // cannot hold the unrounded values. Reads tensors that become F16 or BF16.
  std::vector<TensorType> baseline_types(Progress::Mode progress) const;
  // The most memory that the changed weights can take.
  uint64_t most_changed_bytes() const;

  // Planned tensors that are not in `weights`: the model's graph does not use them, and they change no logits.
  std::vector<std::string> unused(const ModelWeights& weights) const;

  // Rounds the planned tensors and returns what a model with the weights `weights`, stored as types(), must hold
  // instead: the bytes that `quantize` would write. Sets all of the report but `unused`. Throws Error as store_tensor does.
  std::vector<WeightChange> changes(const ModelWeights& weights, PatchReport& report,
                                    Progress::Mode progress);

  // Throws Error when a planned weight in `weights` does not hold the unrounded values, stored as types(), to the
  // last bit.
  void check_restored(const ModelWeights& weights, Progress::Mode progress) const;

  // The model in which the planned tensors hold what `changes` gives: for types() that no loaded model has.
  std::unique_ptr<VirtualFile> rounded();
  // Planned tensors that real quantization can store: their format is a ggml type, and llama.cpp's kernels take them
  // so (may_narrow); by index into plan().tensors.
  std::vector<size_t> really_quantizable() const;
  // The model in which those are stored in their format's type, the other planned ones as the recipe says.
  std::unique_ptr<VirtualFile> really_quantized();

 private:
  std::unique_ptr<VirtualFile> stored_as(const std::vector<TensorType>& types);

  std::string name_;
  const Model& model_;
  Plan plan_;
  PlannedRounders rounders_;
  std::vector<TensorType> types_;
};

// The model with tensor i stored as types[i], its values as they are. The model must outlive it. Reading throws Error
// when a type cannot hold a value exactly.
std::unique_ptr<VirtualFile> widened(const Model& model, const std::vector<TensorType>& types);

}  // namespace fakequant
