#pragma once
// Which function makes which kind of measurement: one table.

#include <span>

#include "experiment/measure_context.h"

namespace fakequant {

struct MeasureRow {
  const char* kind;
  Json (*measure)(MeasureContext& context);
};

std::span<const MeasureRow> measure_rows();

// Of a measurement of a plan; its kind is in the table (checked).
Json measure(MeasureContext& context);

}  // namespace fakequant
