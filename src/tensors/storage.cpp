#include "tensors/storage.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"
#include "tensors/narrowing.h"

namespace fakequant {

PlannedRounders::PlannedRounders(const Model& model, const Plan& plan, const ImportanceMatrix& importance,
                                 uint64_t seed)
    : model_(model), plan_(plan), importance_(importance), seed_(seed) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& planned = plan.tensors[i];
    const auto* type = std::get_if<TensorType>(&planned.format.kind);
    bool has_importance = !importance_of(i).empty();
    Rounder::check(planned.format, *model.tensors()[planned.tensor_index].info, has_importance);
    bool lacks = type != nullptr && uses_importance(*type) && !has_importance;
    if (lacks && !importance.empty()) without_importance_.push_back(i);
  }
}

std::vector<float> PlannedRounders::importance_of(size_t index) const {
  const PlannedTensor& planned = plan_.tensors[index];
  const auto* type = std::get_if<TensorType>(&planned.format.kind);
  if (type == nullptr || !uses_importance(*type)) return {};
  return importance_.weights_for(*model_.tensors()[planned.tensor_index].info);
}

const Rounder& PlannedRounders::at(size_t index) {
  if (current_ && current_index_ == index) return *current_;
  const PlannedTensor& planned = plan_.tensors[index];
  TensorView view = view_of(model_, planned.tensor_index);
  current_.emplace(planned.format, *view.info, importance_of(index), seed_);
  current_index_ = index;
  if (current_->needs_ranges()) current_->learn_ranges(view);
  return *current_;
}

namespace {

bool needs_a_look(Store store, const TensorInfo& info) {
  if (store != Store::automatic && store != Store::narrow) return false;
  bool f32 = info.type == TensorType::F32;
  return !f32 || (store == Store::narrow && may_narrow(info));
}

}  // namespace

std::vector<TensorType> decide_storage(const Model& model, const Plan& plan, PlannedRounders& rounders,
                                       Progress::Mode mode) {
  std::vector<TensorType> types;
  for (const Model::Located& tensor : model.tensors()) types.push_back(tensor.info->type);
  uint64_t work = 0;
  for (const PlannedTensor& planned : plan.tensors) {
    const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
    if (needs_a_look(planned.store, info)) work += info.data_bytes;
  }
  Progress progress("choose storage", work, mode);
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& planned = plan.tensors[i];
    const TensorInfo& info = *model.tensors()[planned.tensor_index].info;
    TensorType& type = types[planned.tensor_index];
    if (planned.store == Store::f32) type = TensorType::F32;
    if (planned.store == Store::f16) type = TensorType::F16;
    if (planned.store == Store::bf16) type = TensorType::BF16;
    if (needs_a_look(planned.store, info)) {
      bool narrow = planned.store == Store::narrow;
      StorageNeeds needs =
          storage_needs(view_of(model, planned.tensor_index), rounders.at(i), narrow && may_narrow(info),
                        [&](uint64_t bytes) { progress.advance(bytes); });
      type = smallest_exact(info, narrow, needs);
    }
    if (!can_encode(type)) {
      throw Error("tensor '{}': {} cannot be written; give --store f32 or leave the tensor out",
                  printable(info.name), name_of(type));
    }
  }
  return types;
}

}  // namespace fakequant
