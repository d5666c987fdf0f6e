#pragma once
// For tests only: a model whose tensors are rounded as rules say, as a file, as bytes in memory, and as a virtual
// file; and the logits that a loaded model gives for one chunk.

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "engine/testing.h"
#include "engine/weight_patch.h"
#include "formats/format_grammar.h"
#include "gguf/virtual_file.h"
#include "tensors/rewrite.h"

namespace fakequant::reference_testing {

using engine_testing::chunk_logits;

class RoundedModel {
 public:
  // Every tensor for which `format` is made.
  RoundedModel(const std::string& path, const std::string& format, Store store = Store::keep)
      : model_(Model::open(path)),
        plan_(make_plan(model_.tensors(), {everything(format)}, {store, true})),
        rounders_(model_, plan_, importance_),
        types_(decide_storage(model_, plan_, rounders_, Progress::Mode::silent)) {}

  const Model& model() const { return model_; }
  const Plan& plan() const { return plan_; }
  const std::string& name_of(const PlannedTensor& planned) const {
    return model_.tensors()[planned.tensor_index].info->name;
  }

  std::vector<std::byte> bytes_of(size_t plan_index) {
    ++made_count_;
    const PlannedTensor& planned = plan_.tensors[plan_index];
    StorageJob job{view_of(model_, planned.tensor_index), planned, rounders_.at(plan_index),
                   types_[planned.tensor_index]};
    Progress progress("", 0, Progress::Mode::silent);
    TensorResult ignored;
    return stored_bytes(job, ignored, progress);
  }

  size_t made_count() const { return made_count_; }  // calls of bytes_of

  // Writes the file that `quantize` would.
  void write(const std::string& path) {
    RewriteOptions options;
    options.sync = false;
    options.progress = Progress::Mode::silent;
    RewritePlan layout = plan_rewrite(model_, plan_, rounders_, path, options);
    rewrite(model_, plan_, rounders_, layout, options);
  }

  VirtualFile virtual_file() {
    std::vector<bool> made(types_.size());
    std::vector<size_t> plan_index_of(types_.size());
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      made[plan_.tensors[i].tensor_index] = true;
      plan_index_of[plan_.tensors[i].tensor_index] = i;
    }
    return VirtualFile(model_, types_, std::move(made),
                       [this, plan_index_of](size_t index) { return bytes_of(plan_index_of[index]); });
  }

 private:
  static Rule everything(const std::string& format) {
    return {std::string(kCommandLineRule), std::nullopt, std::nullopt, parse_format(format), std::nullopt};
  }

  Model model_;
  Plan plan_;
  ImportanceMatrix importance_;
  PlannedRounders rounders_;
  std::vector<TensorType> types_;
  size_t made_count_ = 0;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace fakequant::reference_testing
