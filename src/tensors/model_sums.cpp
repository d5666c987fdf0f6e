#include "tensors/model_sums.h"

namespace fakequant {

double ModelSums::bits_per_weight() const {
  return weights == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(weights);
}

ModelSums sums_of(const Model& model) {
  ModelSums sums;
  for (const Model::Located& tensor : model.tensors()) {
    TypeSum& type = sums.types[std::string(name_of(tensor.info->type))];
    ++type.tensors;
    type.bytes += tensor.info->data_bytes;
    sums.weights += static_cast<uint64_t>(tensor.info->value_count);
    sums.bytes += tensor.info->data_bytes;
  }
  return sums;
}

}  // namespace fakequant
