// Generation and speed: texts that models make, and how fast.

#include <algorithm>
#include <mutex>

#include "engine/non_finite.h"
#include "evaluate/generation_json.h"
#include "evaluate/text_measurements.h"
#include "evaluate/throughput_json.h"
#include "experiment/model_bench.h"
#include "experiment/model_measures.h"

namespace fakequant {

Json measure_texts(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  const ConfigMeasures& measures = context.plan.config.measures;
  const SessionVariant& visiting = bench.variant();
  auto own = static_cast<double>(std::max<uint64_t>(1, generation_work(measures.prompts, 0)));
  std::mutex mutex;
  uint64_t done = 0;
  // Half of it is the baseline's, which makes its texts for the first of its variants alone.
  auto advance_from = [&](double share, bool is_baseline) {
    context.progress({share, "", is_baseline});
    done = 0;
    return [&context, &mutex, &done, own, share, is_baseline](uint64_t tokens) {
      std::lock_guard lock(mutex);
      done += tokens;
      context.progress({share + static_cast<double>(done) / own / 2, "", is_baseline});
    };
  };
  BaselineTexts& baseline =
      bench.session().baseline_texts(measures.prompts, measures.chat, advance_from(0, true));
  GenerationResult made = baseline.result();
  made.variants.push_back(baseline.compare(visiting.variant(), advance_from(0.5, false)));
  visiting.check_restored();
  if (made.variants.front().failure) throw NonFiniteError("{}", *made.variants.front().failure);
  return generation_json(made);
}

Json measure_speed(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  SpeedOptions options = speed_options(bench.decode(), context.plan.config.measures.speed_repetitions,
                                       context.plan.config.settings.threads);
  const SessionVariant& visiting = bench.variant();
  std::vector<SpeedSubject> subjects{bench.session().baseline_subject(), visiting.speed_subject()};
  auto all = static_cast<double>(std::max<uint64_t>(1, speed_work(subjects, options)));
  uint64_t done = 0;
  auto advance = [&] { context.progress({static_cast<double>(++done) / all, "", false}); };
  Json result = throughput_json(measure_throughput(subjects, options, steady_seconds(), advance));
  visiting.check_restored();
  return result;
}

}  // namespace fakequant
