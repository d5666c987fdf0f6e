#include "evaluate/throughput_json.h"

namespace fakequant {

namespace {

Json estimate_json(const MedianEstimate& estimate) {
  Json result{{"median", json_number(estimate.median)}, {"interval", nullptr}};
  if (estimate.interval) {
    result["interval"] = {{"low", json_number(estimate.interval->low)},
                          {"high", json_number(estimate.interval->high)},
                          {"coverage", estimate.interval->coverage}};
  }
  return result;
}

Json measure_json(const SpeedMeasure& measure, const char* figure) {
  Json result{{figure, estimate_json(measure.typical)}, {"ratio", nullptr}};
  if (measure.ratio) {
    result["ratio"] = estimate_json(*measure.ratio);
    result["ratio"]["difference"] = shows_difference(*measure.ratio);
  }
  result["seconds"] = measure.seconds;
  return result;
}

}  // namespace

Json throughput_json(const SpeedResults& results) {
  Json subjects = Json::array();
  for (const SpeedResult& subject : results.subjects) {
    Json row{{"name", subject.name}};
    row["load"] = subject.load ? measure_json(*subject.load, "load_seconds") : Json(nullptr);
    if (!subject.load) row["load_note"] = subject.load_note;
    row["prompt"] = measure_json(subject.prompt, "tokens_per_second");
    row["generation"] = measure_json(subject.generation, "tokens_per_second");
    subjects.push_back(row);
  }
  return {{"repetitions", results.subjects.front().prompt.seconds.size()},
          {"threads", results.threads},
          {"prompt_tokens", results.prompt_tokens},
          {"generated_tokens", results.generated_tokens},
          {"subjects", subjects}};
}

}  // namespace fakequant
