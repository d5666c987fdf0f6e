#include "tensors/rounding_survey.h"

#include <numeric>

#include "base/parallel.h"
#include "engine/codec.h"
#include "tensors/inspect.h"
#include "types/tensor_type.h"

namespace fakequant {

namespace {

PairHistograms histograms_of(const TensorView& before, const TensorView& after) {
  int64_t unit =
      std::lcm<int64_t>(facts_of(before.info->type).block_values, facts_of(after.info->type).block_values);
  std::vector<Piece> pieces_before = pieces_of(*before.info, unit);
  std::vector<Piece> pieces_after = pieces_of(*after.info, unit);
  // Counts are exact in any order.
  std::vector<PairHistograms> threads(max_thread_slots());
  for_each_piece(pieces_before, [&](size_t index, Scratch& scratch) {
    PairHistograms& mine = threads[thread_slot()];
    std::span<const float> values = read_piece(before, pieces_before[index], scratch);
    std::span<const std::byte> bytes = fetch(after, pieces_after[index], scratch.other_raw);
    std::span<const float> stored = decode_piece(after, bytes, pieces_after[index], scratch.rounded);
    mine.a.add(values);
    mine.b.add(stored);
    mine.differences.add_abs_differences(values, stored);
  });
  PairHistograms all;
  for (const PairHistograms& thread : threads) all.merge(thread);
  return all;
}

}  // namespace

void survey_rounding(const Model& model, const Plan& plan, PlannedRounders& rounders,
                     const RewritePlan& layout, double epsilon,
                     const std::function<void(const SurveyedTensor&)>& visit,
                     const std::function<void(uint64_t bytes)>& done) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& planned = plan.tensors[i];
    TensorView before = view_of(model, planned.tensor_index);
    TensorInfo info_after = *before.info;
    info_after.type = layout.types[planned.tensor_index];
    SurveyedTensor surveyed;
    Progress silent("", 0, Progress::Mode::silent);
    std::vector<std::byte> bytes =
        stored_bytes({before, planned, rounders.at(i), info_after.type, epsilon}, surveyed.result, silent);
    surveyed.result.plan_index = i;
    info_after.data_bytes = bytes.size();
    TensorView after{&info_after, bytes};
    surveyed.precision_before = inspect(before).effective_precision;
    surveyed.precision_after = inspect(after).effective_precision;
    surveyed.histograms = histograms_of(before, after);
    visit(surveyed);
    if (done) done(before.info->data_bytes);
  }
}

}  // namespace fakequant
