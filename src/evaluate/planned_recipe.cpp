#include "evaluate/planned_recipe.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/text.h"
#include "formats/format_grammar.h"
#include "tensors/narrowing.h"

namespace fakequant {

namespace {

// A tensor that only changes its storage type.
class UnroundedTensor {
 public:
  UnroundedTensor(const Model& model, size_t tensor_index)
      : view_(view_of(model, tensor_index)),
        planned_{tensor_index, parse_format("f32"), Store::keep, "", {0, 0}},
        rounder_(planned_.format, *view_.info, {}) {}
  UnroundedTensor(const UnroundedTensor&) = delete;
  UnroundedTensor& operator=(const UnroundedTensor&) = delete;

  // Throws Error when `type` is quantized and cannot hold the values.
  std::vector<std::byte> bytes_as(TensorType type, TensorResult& result) const {
    Progress silent("", 0, Progress::Mode::silent);
    return stored_bytes({view_, planned_, rounder_, type}, result, silent);
  }

  // As store_tensor.
  template <typename Write>
  TensorResult store(TensorType type, const Write& write, Progress& progress) const {
    return store_tensor({view_, planned_, rounder_, type}, write, progress);
  }

  bool fits(TensorType type) const {
    if (type == TensorType::F32 || type == view_.info->type) return true;
    if (facts_of(type).type_class == TypeClass::quantized) return false;
    auto drop = [](uint64_t, std::span<const std::byte>) {};
    Progress silent("", 0, Progress::Mode::silent);
    return store(type, drop, silent).store_changed_count == 0;
  }

 private:
  TensorView view_;
  PlannedTensor planned_;
  Rounder rounder_;
};

uint64_t input_bytes(const Model& model, const Plan& plan) {
  uint64_t bytes = 0;
  for (const PlannedTensor& planned : plan.tensors)
    bytes += model.tensors()[planned.tensor_index].info->data_bytes;
  return bytes;
}

}  // namespace

PlannedRecipe::PlannedRecipe(std::string name, Plan plan, const RecipeInputs& inputs, Progress::Mode progress)
    : name_(std::move(name)),
      model_(inputs.model),
      plan_(std::move(plan)),
      rounders_(inputs.model, plan_, inputs.importance, inputs.seed),
      types_(decide_storage(inputs.model, plan_, rounders_, progress)) {}

bool PlannedRecipe::changes_types() const {
  for (size_t i = 0; i < types_.size(); ++i) {
    if (types_[i] != model_.tensors()[i].info->type) return true;
  }
  return false;
}

std::vector<TensorType> PlannedRecipe::baseline_types(Progress::Mode mode) const {
  std::vector<TensorType> types = types_;
  Progress progress("what types hold", input_bytes(model_, plan_), mode);
  for (const PlannedTensor& planned : plan_.tensors) {
    TensorType& type = types[planned.tensor_index];
    if (!UnroundedTensor(model_, planned.tensor_index).fits(type)) type = TensorType::F32;
    progress.advance(model_.tensors()[planned.tensor_index].info->data_bytes);
  }
  return types;
}

uint64_t PlannedRecipe::most_changed_bytes() const {
  uint64_t bytes = 0;
  for (const PlannedTensor& planned : plan_.tensors) {
    const TensorInfo& info = *model_.tensors()[planned.tensor_index].info;
    bytes += bytes_of_values(types_[planned.tensor_index], static_cast<uint64_t>(info.value_count));
  }
  return bytes;
}

std::vector<std::string> PlannedRecipe::unused(const ModelWeights& weights) const {
  std::vector<std::string> names;
  for (const PlannedTensor& planned : plan_.tensors) {
    const std::string& name = model_.tensors()[planned.tensor_index].info->name;
    if (!weights.contains(name)) names.push_back(name);
  }
  return names;
}

std::vector<WeightChange> PlannedRecipe::changes(const ModelWeights& weights, PatchReport& report,
                                                 Progress::Mode mode) {
  Progress progress(name_, input_bytes(model_, plan_), mode);
  std::vector<WeightChange> changes;
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const PlannedTensor& planned = plan_.tensors[i];
    const TensorInfo& info = *model_.tensors()[planned.tensor_index].info;
    TensorType type = types_[planned.tensor_index];
    TensorResult result{};
    std::vector<std::byte> bytes = stored_bytes(
        {view_of(model_, planned.tensor_index), planned, rounders_.at(i), type}, result, progress);
    result.plan_index = i;
    report.tensors.push_back(result);
    if (!weights.contains(info.name)) continue;
    FQ_CHECK(weights.type(info.name) == type);
    // Stored in another type, what rounding does shows in the difference alone.
    bool changed = type == info.type ? result.bytes_changed : result.difference.changed_count > 0;
    if (!changed) continue;
    report.changed_bytes += bytes.size();
    changes.push_back({info.name, std::move(bytes)});
  }
  return changes;
}

void PlannedRecipe::check_restored(const ModelWeights& weights, Progress::Mode mode) const {
  Progress progress("check weights", input_bytes(model_, plan_), mode);
  for (const PlannedTensor& planned : plan_.tensors) {
    const TensorInfo& info = *model_.tensors()[planned.tensor_index].info;
    std::atomic<bool> restored = true;
    auto compare = [&](uint64_t offset, std::span<const std::byte> bytes) {
      if (!weights.holds(info.name, offset, bytes)) restored = false;
    };
    if (weights.contains(info.name)) {
      TensorType type = types_[planned.tensor_index];
      UnroundedTensor(model_, planned.tensor_index).store(type, compare, progress);
    }
    if (restored) continue;
    throw Error(
        "{}: tensor '{}': found other bytes in memory after the evaluation than in the file; the file "
        "changed, or memory is not sound",
        printable(model_.path()), printable(info.name));
  }
}

std::vector<size_t> PlannedRecipe::really_quantizable() const {
  std::vector<size_t> result;
  for (size_t i = 0; i < plan_.tensors.size(); ++i) {
    const PlannedTensor& planned = plan_.tensors[i];
    const auto* type = std::get_if<TensorType>(&planned.format.kind);
    if (type == nullptr || planned.format.leaves_values()) continue;
    if (may_narrow(*model_.tensors()[planned.tensor_index].info)) result.push_back(i);
  }
  return result;
}

std::unique_ptr<VirtualFile> PlannedRecipe::stored_as(const std::vector<TensorType>& types) {
  std::vector<bool> made(types.size(), false);
  for (const PlannedTensor& planned : plan_.tensors) made[planned.tensor_index] = true;
  auto make = [this, types](size_t tensor_index) {
    const PlannedTensor* planned = plan_.find(tensor_index);
    auto plan_index = static_cast<size_t>(planned - plan_.tensors.data());
    TensorResult result{};
    Progress silent("", 0, Progress::Mode::silent);
    return stored_bytes(
        {view_of(model_, tensor_index), *planned, rounders_.at(plan_index), types[tensor_index]}, result,
        silent);
  };
  return std::make_unique<VirtualFile>(model_, types, std::move(made), make);
}

std::unique_ptr<VirtualFile> PlannedRecipe::rounded() {
  return stored_as(types_);
}

std::unique_ptr<VirtualFile> PlannedRecipe::really_quantized() {
  std::vector<TensorType> types = types_;
  for (size_t i : really_quantizable()) {
    const PlannedTensor& planned = plan_.tensors[i];
    types[planned.tensor_index] = std::get<TensorType>(planned.format.kind);
  }
  return stored_as(types);
}

std::unique_ptr<VirtualFile> widened(const Model& model, const std::vector<TensorType>& types) {
  std::vector<bool> made;
  for (size_t i = 0; i < types.size(); ++i) made.push_back(types[i] != model.tensors()[i].info->type);
  auto make = [&model, types](size_t tensor_index) {
    TensorResult result{};
    std::vector<std::byte> bytes = UnroundedTensor(model, tensor_index).bytes_as(types[tensor_index], result);
    if (result.store_changed_count > 0) {
      throw Error("tensor '{}': {} cannot hold its values as they are",
                  printable(model.tensors()[tensor_index].info->name), name_of(types[tensor_index]));
    }
    return bytes;
  };
  return std::make_unique<VirtualFile>(model, types, std::move(made), make);
}

}  // namespace fakequant
