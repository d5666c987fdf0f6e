#include "experiment/model_uses.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "evaluate/corpus.h"

namespace fakequant {

namespace {

bool runs_models(std::string_view kind) {
  constexpr std::string_view kKinds[] = {"perplexity", "divergence", "generation", "speed"};
  return std::ranges::find(kKinds, kind) != std::end(kKinds);
}

}  // namespace

bool is_baseline(const ExperimentPlan& plan, size_t model) {
  return std::ranges::any_of(plan.measurements, [&](const Measurement& measurement) {
    return measurement.model == model && runs_models(measurement.id.kind);
  });
}

std::vector<size_t> models_with(const ExperimentPlan& plan, size_t baseline) {
  std::vector<size_t> models{baseline};
  for (const Measurement& measurement : plan.measurements) {
    if (measurement.model != baseline || !measurement.variant || !runs_models(measurement.id.kind)) continue;
    const ExperimentVariant& variant = plan.variants[*measurement.variant];
    size_t model = variant.file.value_or(variant.model);
    if (std::ranges::find(models, model) == models.end()) models.push_back(model);
  }
  return models;
}

int settled_context(const ExperimentPlan& plan, size_t baseline) {
  if (plan.config.settings.context > 0) return plan.config.settings.context;
  int context = default_context(0);
  for (size_t model : models_with(plan, baseline)) {
    auto trained = static_cast<int>(training_context(plan.models[model].model).value_or(0));
    context = std::min(context, default_context(trained));
  }
  return context;
}

std::vector<size_t> models_that_run(const ExperimentPlan& plan) {
  std::set<size_t> models;
  for (size_t i = 0; i < plan.models.size(); ++i) {
    if (!is_baseline(plan, i)) continue;
    for (size_t model : models_with(plan, i)) models.insert(model);
  }
  std::vector<size_t> result(models.begin(), models.end());
  std::ranges::stable_partition(result, [&](size_t model) { return !is_baseline(plan, model); });
  return result;
}

}  // namespace fakequant
