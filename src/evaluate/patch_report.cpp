#include "evaluate/patch_report.h"

namespace fakequant {

PatchTotal PatchReport::total() const {
  PatchTotal total;
  for (const TensorResult& tensor : tensors) {
    total.difference.merge(tensor.difference);
    total.store_changed_count += tensor.store_changed_count;
  }
  return total;
}

}  // namespace fakequant
