#pragma once
// Measurements of weights and files: what tensors hold, what rounding changes, whether the result loads. No text is read.

#include "base/json.h"
#include "experiment/measure_context.h"

namespace fakequant {

// These give the `result` of their kind (docs/journal.md) and throw Error as inspect(), survey_rounding() and LoadedModel do.
Json measure_inspect(MeasureContext& context);
Json measure_difference(MeasureContext& context);
Json measure_load(MeasureContext& context);

}  // namespace fakequant
