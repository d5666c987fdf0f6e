#include "evaluate/text_measurements.h"

#include <algorithm>

#include "base/parallel.h"
#include "evaluate/generation_json.h"
#include "evaluate/throughput_json.h"

namespace fakequant {

GenerationOptions generation_options(const DecodeOptions& decode, bool chat_template) {
  GenerationOptions options;
  options.decode = decode;
  options.texts_at_once = max_thread_slots();
  options.chat_template = chat_template;
  return options;
}

SpeedOptions speed_options(const DecodeOptions& decode, size_t repetitions, int threads) {
  SpeedOptions options;
  options.repetitions = repetitions;
  options.decode = decode;
  options.decode.threads = std::max(1, threads);
  return options;
}

std::optional<std::string> TextMeasurements::first_failure() const {
  if (!generation) return std::nullopt;
  for (const VariantTexts& variant : generation->variants) {
    if (variant.failure) return variant.failure;
  }
  return std::nullopt;
}

TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const TextWork& work,
                               const TextWorkListener& listener) {
  TextMeasurements result;
  if (!work.runs.empty()) {
    std::vector<Variant> variants;
    for (const SpeedSubject& subject : subjects.subspan(1)) variants.push_back(subject.variant);
    listener.begin("texts", generation_work(work.runs, variants.size()), Progress::Unit::tokens);
    result.generation =
        measure_generation(subjects.front().variant, variants, work.runs, work.generation, listener.advance);
  }
  if (work.speed) {
    listener.begin("speed", speed_work(subjects, *work.speed), Progress::Unit::runs);
    result.speed = measure_throughput(subjects, *work.speed, steady_seconds(), [&] { listener.advance(1); });
  }
  return result;
}

void add_measurements(Json& result, const TextMeasurements& measured) {
  if (measured.generation) result["generation"].push_back(generation_json(*measured.generation));
  if (measured.speed) result["speed"].push_back(throughput_json(*measured.speed));
}

}  // namespace fakequant
