#pragma once
// Decides in which type an output file stores each tensor (--store). Writes nothing.

#include <optional>
#include <vector>

#include "base/progress.h"
#include "select/plan.h"
#include "tensors/importance.h"
#include "tensors/rounder.h"

namespace fakequant {

// Rounders for the planned tensors, one alive at a time: of a big model they do not fit in memory together.
// The plan, the model and the importance matrix must outlive it. Importance is given to ggml types that use
// it.
class PlannedRounders {
 public:
  // `seed` is for stochastic rounding. Throws Error, before any work, for a tensor that cannot be rounded as
  // planned (Rounder::check).
  PlannedRounders(const Model& model, const Plan& plan, const ImportanceMatrix& importance,
                  uint64_t seed = 0);

  // The rounder of plan.tensors[index], its scales learnt where pieces share them; it lives until the next
  // call. Not for several threads at once.
  const Rounder& at(size_t index);

  // Planned tensors whose format would use importance but for which a given matrix has none.
  const std::vector<size_t>& without_importance() const { return without_importance_; }

 private:
  std::vector<float> importance_of(size_t index) const;

  const Model& model_;
  const Plan& plan_;
  const ImportanceMatrix& importance_;
  uint64_t seed_;
  std::optional<Rounder> current_;
  size_t current_index_ = 0;
  std::vector<size_t> without_importance_;
};

// The storage type of every tensor of the model after the plan.
//
//   keep           the tensor's own
//   f32 f16 bf16   as asked, exact or not
//   auto           its own when that holds the rounded values exactly, else the first of F16, BF16, F32 that
//                  does
//   narrow         as auto, and matrices (may_narrow) get the smallest type that holds the rounded values
//                  exactly: a quantized one, F16 or BF16
//
// auto and narrow read and round every planned tensor once, narrow its first row twice; ExactQuantizedTypes
// says which quantized types are tried. Throws Error for a type that cannot be written (F64).
std::vector<TensorType> decide_storage(const Model& model, const Plan& plan, PlannedRounders& rounders,
                                       Progress::Mode progress);

}  // namespace fakequant
