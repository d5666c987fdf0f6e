#pragma once
// What quantize tells: the plan, the differences, why nothing changed, warnings, and all of it as JSON.

#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/json.h"
#include "tensors/rewrite.h"

namespace fakequant::cli {

// Everything that stays alive while a plan is carried out.
struct QuantizeJob {
  Model model;
  std::string importance_path;  // "" for none
  ImportanceMatrix importance;
  Plan plan;
  std::optional<uint64_t> seed;  // what stochastic rounding draws from; nothing when no format does
  std::unique_ptr<PlannedRounders> rounders;
  RewritePlan layout;

  const TensorInfo& info(const PlannedTensor& planned) const {
    return *model.tensors()[planned.tensor_index].info;
  }
};

// What a reader should know before the work: rules that decide nothing, tensors left out, missing importance.
void warn_before(const CommonOptions& common, const QuantizeJob& job);

// What became non-finite or finite, and what storing added.
void warn_after(const CommonOptions& common, const QuantizeJob& job, const RewriteResult& result);

void print_plan(const QuantizeJob& job);
void print_results(const QuantizeJob& job, const RewriteResult& result);
void print_unchanged(const QuantizeJob& job, const RewriteResult& result);  // and why
void print_left(const QuantizeJob& job);                                    // tensors that do not fit
void print_sizes(const QuantizeJob& job, bool planned_only);

Json plan_json(const QuantizeJob& job);
Json result_json(const QuantizeJob& job, const RewriteResult& result);

}  // namespace fakequant::cli
