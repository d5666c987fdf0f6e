#include "tensors/inspect.h"

#include <atomic>

#include "base/parallel.h"
#include "base/text.h"
#include "engine/codec.h"
#include "tensors/narrowing.h"
#include "tensors/tensor_pass.h"

namespace fakequant {

namespace {

// Tensors of 16-bit floats have at most 65,536 different values: counting codes says everything.
ValueFacts facts_by_codes(const TensorView& view, std::vector<std::optional<CodeCounts>>& counts,
                          Progress& progress) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    std::span<const std::byte> bytes = fetch(view, pieces[index], scratch.raw);
    bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint16_t) == 0;
    if (!aligned) {
      scratch.bytes.assign(bytes.begin(), bytes.end());
      bytes = scratch.bytes;
    }
    std::optional<CodeCounts>& mine = counts[thread_slot()];
    if (!mine) mine.emplace();
    mine->add({reinterpret_cast<const uint16_t*>(bytes.data()), bytes.size() / 2});
    progress.advance(bytes.size());
  });
  CodeCounts* all = nullptr;
  for (std::optional<CodeCounts>& part : counts) {
    if (!part) continue;
    if (all == nullptr) {
      all = &*part;
    } else {
      all->merge(*part);
      part->clear();
    }
  }
  HalfType type = view.info->type == TensorType::F16 ? HalfType::f16 : HalfType::bf16;
  ValueFacts facts = facts_of_codes(all != nullptr ? *all : CodeCounts(), type);
  if (all != nullptr) all->clear();
  return facts;
}

ValueFacts facts_by_values(const TensorView& view, Progress& progress) {
  std::vector<Piece> pieces = pieces_of(*view.info);
  std::vector<ValueStatistics> statistics(pieces.size());
  std::vector<PrecisionNeeds> needs(pieces.size());
  std::vector<DistinctCounter> distinct(max_thread_slots());
  std::atomic<bool> too_many = false;
  for_each_piece(pieces, [&](size_t index, Scratch& scratch) {
    std::span<const float> values = read_piece(view, pieces[index], scratch);
    statistics[index].add(values);
    needs[index].add(values);
    DistinctCounter& counter = distinct[thread_slot()];
    if (!too_many.load(std::memory_order_relaxed)) {
      counter.add(values);
      if (!counter.count()) too_many = true;
    }
    progress.advance(pieces[index].byte_count);
  });
  ValueFacts facts;
  for (size_t i = 0; i < pieces.size(); ++i) {
    facts.statistics.merge(statistics[i]);
    facts.needs.merge(needs[i]);
  }
  for (size_t i = 1; i < distinct.size(); ++i) distinct[0].merge(distinct[i]);
  if (!too_many) facts.distinct_count = distinct[0].count();
  facts.precision = effective_precision(facts.statistics.count, facts.needs, facts.distinct_count);
  return facts;
}

bool is_half(TensorType type) {
  return type == TensorType::F16 || type == TensorType::BF16;
}

// What `--store narrow` would choose; of the values as they are, and without trying quantized types unless
// asked to.
TensorType narrow_type_of(const TensorView& view, const ValueFacts& facts, bool quantized_types) {
  const TensorInfo& info = *view.info;
  if (info.value_count == 0 || !may_narrow(info) || !can_encode(info.type)) return info.type;
  StorageNeeds needs{.needs = facts.needs, .changed = false, .quantized = {}};
  if (quantized_types) needs.quantized = exact_quantized_type(view);
  return smallest_exact(info, true, needs);
}

TensorReport report_on(const TensorView& view, const InspectOptions& options,
                       std::vector<std::optional<CodeCounts>>& counts, Progress& progress) {
  const TensorInfo& info = *view.info;
  TensorReport report{.tensor_index = 0,
                      .facts = {},
                      .effective_precision = lower(name_of(info.type)),
                      .grids = {},
                      .narrow_type = {}};
  if (!can_decode(info.type)) return report;
  report.facts =
      is_half(info.type) ? facts_by_codes(view, counts, progress) : facts_by_values(view, progress);
  bool floating = is_half(info.type) || info.type == TensorType::F32;
  if (!decodes_exactly(info.type)) report.facts->distinct_count.reset();
  if (floating) report.effective_precision = name_of(report.facts->precision);
  if (options.grids && floating) report.grids = exact_grids(view, *report.facts);
  TensorType narrow = narrow_type_of(view, *report.facts, options.grids);
  if (narrow != info.type) {
    report.narrow_type = narrow;
    report.narrow_saves_bytes =
        info.data_bytes - bytes_of_values(narrow, static_cast<uint64_t>(info.value_count));
  }
  return report;
}

}  // namespace

std::vector<TensorReport> inspect(const Model& model, std::span<const size_t> tensor_indices,
                                  const InspectOptions& options) {
  uint64_t total = 0;
  for (size_t index : tensor_indices) total += model.tensors()[index].info->data_bytes;
  Progress progress("inspect", total, options.progress);
  std::vector<std::optional<CodeCounts>> counts(max_thread_slots());
  std::vector<TensorReport> reports;
  for (size_t index : tensor_indices) {
    reports.push_back(report_on(view_of(model, index), options, counts, progress));
    reports.back().tensor_index = index;
  }
  return reports;
}

TensorReport inspect(const TensorView& view) {
  std::vector<std::optional<CodeCounts>> counts(max_thread_slots());
  Progress silent("", 0, Progress::Mode::silent);
  return report_on(view, {.grids = false, .progress = Progress::Mode::silent}, counts, silent);
}

}  // namespace fakequant
