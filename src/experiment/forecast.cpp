#include "experiment/forecast.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "evaluate/throughput.h"

namespace fakequant {
namespace {

// Rounding a weight, taking its histograms and comparing it takes about as long as looking at it three times.
constexpr double kLooksOfADifference = 3;

uint64_t weight_count(const Model& model) {
  uint64_t count = 0;
  for (const Model::Located& tensor : model.tensors())
    count += static_cast<uint64_t>(tensor.info->value_count);
  return count;
}

uint64_t planned_weights(const ExperimentVariant& variant) {
  return variant.plan ? variant.plan->chosen_bits.weights : 0;
}

double generation_seconds(const std::vector<PromptRun>& runs, const ModelTiming& timing) {
  double tokens = 0;
  for (const PromptRun& run : runs) tokens += run.tokens;
  return tokens * timing.token_seconds;
}

// Of the baseline and the variant; only what is a file is loaded again. One round does not count. A prompt is read about as fast as a
// chunk, whose tokens are about as many.
double speed_seconds(const ExperimentConfig& config, const ModelTiming& timing, int files) {
  SpeedOptions options;
  auto rounds = static_cast<double>(config.measures.speed_repetitions + 1);
  double slower = timing.threads / std::max(1, config.settings.threads);
  double once = slower * (timing.chunk_seconds + options.generated_tokens * timing.token_seconds);
  return rounds * (files * timing.load_seconds + 2 * once);
}

double seconds_of(const ExperimentPlan& plan, const Measurement& measurement, const ModelTiming& timing) {
  const std::string& kind = measurement.id.kind;
  const ConfigMeasures& measures = plan.config.measures;
  auto chunks = measurement.text ? static_cast<double>(timing.text_chunks.at(*measurement.text)) : 0;
  if (kind == "inspect")
    return static_cast<double>(weight_count(plan.models[*measurement.model].model)) * timing.weight_seconds;
  if (kind == "perplexity") return timing.load_seconds + chunks * timing.chunk_seconds;
  const ExperimentVariant& variant = plan.variants[*measurement.variant];
  double rounding = static_cast<double>(planned_weights(variant)) * timing.weight_seconds;
  if (kind == "difference") return kLooksOfADifference * rounding;
  if (kind == "load") return rounding + timing.load_seconds + 16 * timing.token_seconds;
  double prepared = rounding + (variant.file ? timing.load_seconds : 0);
  if (kind == "divergence") return prepared + chunks * timing.chunk_seconds;
  // The baseline's texts are made as well, and read again by the variant.
  if (kind == "generation") return prepared + 2 * generation_seconds(measures.prompts, timing);
  FQ_CHECK(kind == "speed");
  return prepared + speed_seconds(plan.config, timing, variant.file ? 2 : 1);
}

}  // namespace

double Forecast::of_variant(const ExperimentPlan& plan, size_t variant) const {
  double sum = 0;
  for (size_t i = 0; i < seconds.size(); ++i) {
    if (plan.measurements[i].variant == variant) sum += seconds[i];
  }
  return sum;
}

Forecast forecast(const ExperimentPlan& plan, const std::vector<ModelTiming>& timings) {
  Forecast result;
  std::set<std::string> known;
  for (const Measurement& measurement : plan.measurements) {
    bool is_new = known.insert(measurement.id.key).second;
    double seconds = is_new ? seconds_of(plan, measurement, timings.at(*measurement.model)) : 0;
    result.seconds.push_back(seconds);
    result.total += seconds;
  }
  return result;
}

}  // namespace fakequant
