#include "tensors/storage.h"

#include <atomic>
#include <cstring>

#include "analysis/precision.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"
#include "tensors/inspect.h"

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

struct RoundedNeeds {
  PrecisionNeeds needs;
  bool changed = false;  // rounding changes a value
};

RoundedNeeds needs_after_rounding(const TensorView& view, const Rounder& rounder, Progress& progress) {
  const std::vector<Piece>& pieces = rounder.pieces();
  std::vector<RoundedNeeds> parts(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    std::span<float> values = read_piece(view, pieces[index], scratch);
    scratch.rounded.assign(values.begin(), values.end());
    rounder.round(pieces[index], scratch.rounded, scratch.bytes);
    parts[index].needs.add(scratch.rounded);
    parts[index].changed = std::memcmp(values.data(), scratch.rounded.data(), values.size_bytes()) != 0;
    progress.advance(pieces[index].byte_count);
  });
  RoundedNeeds whole;
  for (const RoundedNeeds& part : parts) {
    whole.needs.merge(part.needs);
    whole.changed = whole.changed || part.changed;
  }
  return whole;
}

TensorType smallest_exact(const TensorInfo& info, bool narrow, const RoundedNeeds& rounded) {
  bool quantized = facts_of(info.type).type_class == TypeClass::quantized;
  if (quantized && !rounded.changed) return info.type;
  if (info.type == TensorType::F16 && rounded.needs.fit(kF16)) return info.type;
  if (info.type == TensorType::BF16 && rounded.needs.fit(kBf16)) return info.type;
  bool stays_f32 = info.type == TensorType::F32 && !(narrow && may_narrow(info));
  if (stays_f32) return TensorType::F32;
  return exact_half_type(rounded.needs).value_or(TensorType::F32);
}

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
      TensorView view = view_of(model, planned.tensor_index);
      type = smallest_exact(info, planned.store == Store::narrow,
                            needs_after_rounding(view, rounders.at(i), progress));
    }
    if (!can_encode(type)) {
      throw Error("tensor '{}': {} cannot be written; give --store f32 or leave the tensor out",
                  printable(info.name), name_of(type));
    }
  }
  return types;
}

}  // namespace fakequant
