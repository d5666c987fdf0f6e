// Generation and speed: texts that models make, and how fast.

#include <algorithm>
#include <atomic>
#include <mutex>

#include "engine/non_finite.h"
#include "evaluate/generation.h"
#include "evaluate/generation_json.h"
#include "evaluate/throughput.h"
#include "evaluate/throughput_json.h"
#include "experiment/model_bench.h"
#include "experiment/model_measures.h"

namespace fakequant {

Json measure_texts(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  // Until texts are there, what fails is the baseline's: a variant's failure is told of in the result.
  context.progress({0, "", true});
  const ConfigMeasures& measures = context.plan.config.measures;
  GenerationOptions options;
  options.decode = bench.decode();
  options.texts_at_once = static_cast<size_t>(std::max(1, context.threads));
  options.chat_template = measures.chat;
  const SessionVariant& visiting = bench.variant();
  auto all = static_cast<double>(std::max<uint64_t>(1, generation_work(measures.prompts, 1)));
  std::mutex mutex;
  uint64_t done = 0;
  auto advance = [&](uint64_t tokens) {
    std::lock_guard lock(mutex);
    done += tokens;
    context.progress({static_cast<double>(done) / all, "", true});
  };
  GenerationResult made = measure_generation(bench.baseline(), std::span(&visiting.variant(), 1),
                                             measures.prompts, options, advance);
  context.progress({1, "", false});
  visiting.check_restored();
  const VariantTexts& texts = made.variants.front();
  if (texts.failure) throw NonFiniteError("{}", *texts.failure);
  return generation_json(made);
}

Json measure_speed(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  SpeedOptions options;
  options.repetitions = context.plan.config.measures.speed_repetitions;
  options.decode = bench.decode();
  options.decode.threads = std::max(1, context.plan.config.settings.threads);
  const SessionVariant& visiting = bench.variant();
  std::vector<SpeedSubject> subjects{bench.baseline_speed_subject(), visiting.speed_subject()};
  auto all = static_cast<double>(std::max<uint64_t>(1, speed_work(subjects, options)));
  uint64_t done = 0;
  auto advance = [&] { context.progress({static_cast<double>(++done) / all, "", false}); };
  Json result = throughput_json(measure_throughput(subjects, options, steady_seconds(), advance));
  visiting.check_restored();
  return result;
}

}  // namespace fakequant
