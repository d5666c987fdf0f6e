#include "experiment/measures.h"

#include <string_view>

#include "base/error.h"
#include "experiment/file_measures.h"
#include "experiment/model_measures.h"

namespace fakequant {

namespace {

constexpr MeasureRow kRows[] = {
    {"inspect", measure_inspect},       {"difference", measure_difference}, {"load", measure_load},
    {"perplexity", measure_perplexity}, {"divergence", measure_divergence}, {"generation", measure_texts},
    {"speed", measure_speed},
};

}  // namespace

std::span<const MeasureRow> measure_rows() {
  return kRows;
}

Json measure(MeasureContext& context) {
  for (const MeasureRow& row : kRows) {
    if (context.measurement.id.kind == row.kind) return row.measure(context);
  }
  FQ_CHECK(!"a measurement of a kind that is in no table");
  return {};
}

}  // namespace fakequant
