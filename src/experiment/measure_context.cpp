#include "experiment/measure_context.h"

#include "base/error.h"

namespace fakequant {

const PlannedModel& MeasureContext::model() const {
  FQ_CHECK(measurement.model.has_value());
  return plan.models[*measurement.model];
}

const ExperimentVariant& MeasureContext::variant() const {
  FQ_CHECK(measurement.variant.has_value());
  return plan.variants[*measurement.variant];
}

const PlannedText& MeasureContext::text() const {
  FQ_CHECK(measurement.text.has_value());
  return plan.texts[*measurement.text];
}

}  // namespace fakequant
