#include "tensors/profile.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "engine/codec.h"
#include "select/plan.h"
#include "select/roles.h"
#include "tensors/rounder.h"

namespace fakequant {

namespace {

// Differences that are kept until they are merged: of so many pieces, whatever the tensor's size.
constexpr size_t kPiecesAtOnce = 1024;

const TensorType* ggml_type(const Format& format) {
  return std::get_if<TensorType>(&format.kind);
}

bool takes_importance(const Format& format) {
  const TensorType* type = ggml_type(format);
  return type != nullptr && uses_importance(*type);
}

std::string reason_to_leave_out(const Format& format, const TensorInfo& info, bool has_importance) {
  if (!can_decode(info.type)) {
    return fmt::format("its values of type {} cannot be read, the type is internal to ggml",
                       name_of(info.type));
  }
  const TensorType* type = ggml_type(format);
  if (type != nullptr && needs_importance(*type) && !has_importance) {
    return fmt::format(
        "{} needs an importance matrix and there is none for it: give --imatrix with an entry of its "
        "name",
        format.name);
  }
  return reason_against(format, info);
}

// One format on one tensor.
struct Trial {
  Trial(size_t index, const Format& format, const TensorInfo& info, std::vector<float> importance,
        uint64_t seed)
      : format_index(index), rounder(format, info, std::move(importance), seed) {}

  size_t format_index;
  Rounder rounder;
  Difference difference = {};
  std::string failure = "";  // what the format refused
};

struct Outcome {
  Difference difference;
  std::string failure;
};

Outcome try_piece(const Trial& trial, const Piece& piece, std::span<const float> original, Scratch& scratch) {
  if (!trial.failure.empty()) return {};
  scratch.rounded.assign(original.begin(), original.end());
  try {
    trial.rounder.round(piece, scratch.rounded, scratch.bytes);
  } catch (const Error& error) {
    return {{}, error.what()};
  }
  auto first = static_cast<uint64_t>(piece.first_value);
  return {measure_difference(original, scratch.rounded, kDefaultEpsilon, first), ""};
}

// Measures trials of equal pieces with one reading. Of several failures the first in the tensor stays.
void measure_together(const TensorView& view, const std::vector<Trial*>& trials, Progress& progress) {
  std::span<const Piece> pieces = trials[0]->rounder.pieces();
  for (size_t first = 0; first < pieces.size(); first += kPiecesAtOnce) {
    std::span<const Piece> some = pieces.subspan(first, std::min(kPiecesAtOnce, pieces.size() - first));
    std::vector<Outcome> outcomes(some.size() * trials.size());
    for_each_piece(some, [&](size_t index, Scratch& scratch) {
      std::span<const float> original = read_piece(view, some[index], scratch);
      for (size_t t = 0; t < trials.size(); ++t) {
        outcomes[index * trials.size() + t] = try_piece(*trials[t], some[index], original, scratch);
        progress.advance(some[index].byte_count);
      }
    });
    for (size_t i = 0; i < outcomes.size(); ++i) {
      Trial& trial = *trials[i % trials.size()];
      trial.difference.merge(outcomes[i].difference);
      if (trial.failure.empty()) trial.failure = std::move(outcomes[i].failure);
    }
  }
}

bool same_pieces(const Trial& a, const Trial& b) {
  return std::ranges::equal(a.rounder.pieces(), b.rounder.pieces(), [](const Piece& x, const Piece& y) {
    return x.first_value == y.first_value && x.value_count == y.value_count;
  });
}

void measure(const TensorView& view, std::vector<Trial>& trials, Progress& progress) {
  std::vector<std::vector<Trial*>> groups;
  for (Trial& trial : trials) {
    if (trial.rounder.needs_ranges()) trial.rounder.learn_ranges(view);
    auto group = std::ranges::find_if(groups, [&](const auto& g) { return same_pieces(*g[0], trial); });
    if (group == groups.end()) {
      groups.push_back({&trial});
    } else {
      group->push_back(&trial);
    }
  }
  for (const std::vector<Trial*>& group : groups) measure_together(view, group, progress);
}

// The part of a rounder's complaint behind the tensor's name.
std::string without_name(const std::string& text, const TensorInfo& info) {
  std::string name = fmt::format("tensor '{}'", printable(info.name));
  if (!text.starts_with(name)) return text;
  return text.substr(text.find_first_not_of(",: ", name.size()));
}

void add_left_out(ProfileCell& cell, const Format& format, const TensorInfo& info, const LeftOut& left_out) {
  cell.requested_bits += format_bits(format, info);
  cell.achieved_bits += file_bits(info);
  cell.left_out.push_back(left_out);
}

void add_measured(ProfileCell& cell, const Format& format, const TensorInfo& info,
                  const Difference& difference) {
  BitsPerWeight bits = format_bits(format, info);
  cell.requested_bits += bits;
  cell.achieved_bits += bits;
  cell.bits += bits;
  cell.difference.merge(difference);
  ++cell.measured_tensors;
}

// A profile on its way, tensor by tensor.
class Profiler {
 public:
  Profiler(const Model& model, std::span<const size_t> tensors, std::span<const Format> formats,
           const ImportanceMatrix& importance, uint64_t seed)
      : model_(model), tensors_(tensors), importance_(importance), seed_(seed) {
    std::map<std::string, size_t> roles;
    for (size_t index : tensors) {
      std::string name = role_of(info(index).name);
      auto [role, is_new] = roles.emplace(name, result_.roles.size());
      if (is_new) result_.roles.push_back({name, {}, 0});
      result_.roles[role->second].tensors.push_back(index);
      result_.roles[role->second].weights += static_cast<uint64_t>(info(index).value_count);
      role_of_tensor_.push_back(role->second);
    }
    for (const Format& format : formats) {
      result_.formats.push_back({format, std::vector<ProfileCell>(result_.roles.size()), {}});
      unfit_.push_back(unfit_tensors(model, tensors, format, importance));
      uses_importance_ = uses_importance_ || takes_importance(format);
    }
  }

  Profile run(Progress::Mode mode) {
    uint64_t work = 0;
    for (const std::vector<LeftOut>& unfit : unfit_) {
      for (size_t index : tensors_) work += info(index).data_bytes;
      for (const LeftOut& left_out : unfit) work -= info(left_out.tensor_index).data_bytes;
    }
    Progress progress("profile", work, mode);
    for (size_t i = 0; i < tensors_.size(); ++i) add_tensor(i, progress);
    return std::move(result_);
  }

 private:
  const TensorInfo& info(size_t tensor_index) const { return *model_.tensors()[tensor_index].info; }

  void add_tensor(size_t i, Progress& progress) {
    size_t index = tensors_[i];
    const TensorInfo& tensor = info(index);
    std::vector<float> weights;
    if (uses_importance_) weights = importance_.weights_for(tensor);
    std::vector<Trial> trials;
    trials.reserve(result_.formats.size());  // tried by address
    bool lacks_importance = false;
    for (size_t f = 0; f < result_.formats.size(); ++f) {
      const Format& format = result_.formats[f].format;
      if (const LeftOut* unfit = find_unfit(f, index)) {
        add_left_out(result_.formats[f].total, format, tensor, *unfit);
        add_left_out(result_.formats[f].cells[role_of_tensor_[i]], format, tensor, *unfit);
        continue;
      }
      bool used = takes_importance(format);
      lacks_importance = lacks_importance || (used && weights.empty() && !importance_.empty());
      trials.emplace_back(f, format, tensor, used ? weights : std::vector<float>{}, seed_);
    }
    if (lacks_importance) result_.without_importance.push_back(index);
    measure(view_of(model_, index), trials, progress);
    for (const Trial& trial : trials) {
      FormatProfile& format = result_.formats[trial.format_index];
      for (ProfileCell* cell : {&format.total, &format.cells[role_of_tensor_[i]]}) {
        if (trial.failure.empty()) {
          add_measured(*cell, format.format, tensor, trial.difference);
        } else {
          add_left_out(*cell, format.format, tensor, {index, without_name(trial.failure, tensor)});
        }
      }
    }
  }

  const LeftOut* find_unfit(size_t format_index, size_t tensor_index) const {
    const std::vector<LeftOut>& unfit = unfit_[format_index];
    auto found = std::ranges::lower_bound(unfit, tensor_index, {}, &LeftOut::tensor_index);
    return found != unfit.end() && found->tensor_index == tensor_index ? &*found : nullptr;
  }

  const Model& model_;
  std::span<const size_t> tensors_;
  const ImportanceMatrix& importance_;
  uint64_t seed_;
  bool uses_importance_ = false;
  std::vector<size_t> role_of_tensor_;       // as tensors_
  std::vector<std::vector<LeftOut>> unfit_;  // of each format
  Profile result_;
};

}  // namespace

std::vector<LeftOut> unfit_tensors(const Model& model, std::span<const size_t> tensors, const Format& format,
                                   const ImportanceMatrix& importance) {
  std::vector<LeftOut> unfit;
  for (size_t index : tensors) {
    const TensorInfo& info = *model.tensors()[index].info;
    bool has_importance = takes_importance(format) && !importance.weights_for(info).empty();
    std::string reason = reason_to_leave_out(format, info, has_importance);
    if (!reason.empty()) unfit.push_back({index, std::move(reason)});
  }
  return unfit;
}

Profile profile_formats(const Model& model, std::span<const size_t> tensors, std::span<const Format> formats,
                        const ImportanceMatrix& importance, uint64_t seed, Progress::Mode mode) {
  return Profiler(model, tensors, formats, importance, seed).run(mode);
}

}  // namespace fakequant
