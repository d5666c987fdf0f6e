#include "tensors/finite_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "engine/codec.h"
#include "engine/finite.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

namespace {

// What a piece holds that is no number.
struct Finding {
  uint64_t nan_count = 0;
  uint64_t inf_count = 0;
  int64_t first_index = 0;

  bool any() const { return nan_count + inf_count > 0; }
};

Finding count_non_finite(std::span<const float> values, int64_t first_value) {
  Finding found;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    if (!found.any()) found.first_index = first_value + static_cast<int64_t>(i);
    ++(std::isnan(values[i]) ? found.nan_count : found.inf_count);
  }
  return found;
}

std::optional<NonFiniteTensor> check(const TensorView& view, Progress& progress) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  std::vector<Finding> findings(pieces.size());
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    const Piece& piece = pieces[index];
    std::span<const std::byte> raw = fetch(view, piece, scratch.raw);
    if (may_be_non_finite(view.info->type, raw)) {
      findings[index] = count_non_finite(decode_piece(view, raw, piece, scratch.original), piece.first_value);
    }
    progress.advance(piece.byte_count);
  });
  NonFiniteTensor sum{view.info->name, 0, 0, 0};
  for (const Finding& finding : findings) {
    if (finding.any() && sum.nan_count + sum.inf_count == 0) sum.first_index = finding.first_index;
    sum.nan_count += finding.nan_count;
    sum.inf_count += finding.inf_count;
  }
  if (sum.nan_count + sum.inf_count == 0) return std::nullopt;
  return sum;
}

std::string describe(const NonFiniteTensor& tensor) {
  std::vector<std::string> counts;
  if (tensor.nan_count > 0) counts.push_back(format_count(tensor.nan_count) + " NaN");
  if (tensor.inf_count > 0) counts.push_back(format_count(tensor.inf_count) + " Inf");
  bool several = tensor.nan_count + tensor.inf_count > 1;
  return fmt::format("'{}' ({}, {}at index {})", printable(tensor.name), join(counts, " and "),
                     several ? "the first " : "", tensor.first_index);
}

}  // namespace

std::vector<NonFiniteTensor> find_non_finite(const Model& model, Progress::Mode mode) {
  Progress progress("checking weights", model.total_bytes(), mode);
  std::vector<NonFiniteTensor> found;
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    TensorView view = view_of(model, i);
    if (!can_decode(view.info->type)) continue;
    if (std::optional<NonFiniteTensor> tensor = check(view, progress)) found.push_back(std::move(*tensor));
  }
  return found;
}

std::string describe(const std::vector<NonFiniteTensor>& tensors) {
  constexpr size_t kMostNamed = 4;
  std::vector<std::string> named;
  for (size_t i = 0; i < std::min(kMostNamed, tensors.size()); ++i) named.push_back(describe(tensors[i]));
  std::string text = join(named, ", ");
  if (tensors.size() > kMostNamed) text += " and " + counted(tensors.size() - kMostNamed, "more tensor");
  return text;
}

}  // namespace fakequant
