#pragma once
// Measurements of models that read texts or make them: perplexity, divergence, generation, speed.

#include "base/json.h"
#include "experiment/measure_context.h"

namespace fakequant {

// These give the `result` of their kind (docs/journal.md) and throw Error as ModelBench and the measures of evaluate/ do: NonFiniteError
// where a model computes NaN or Inf. Progress says whether the baseline or the variant is at work.
Json measure_perplexity(MeasureContext& context);
Json measure_divergence(MeasureContext& context);
Json measure_texts(MeasureContext& context);
Json measure_speed(MeasureContext& context);

}  // namespace fakequant
