// Perplexity and divergence: what models make of texts.

#include <fmt/format.h>

#include <chrono>

#include "engine/non_finite.h"
#include "evaluate/comparison.h"
#include "evaluate/evaluated_text.h"
#include "evaluate/recipe_json.h"
#include "experiment/model_bench.h"
#include "experiment/model_measures.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

std::string so_far(const PerplexitySum& sum) {
  if (sum.token_count() == 0) return "";
  PerplexityEstimate estimate = sum.estimate();
  std::string text = fmt::format("perplexity {:.4f}", estimate.perplexity);
  if (estimate.error_tokens) text += fmt::format(" +/- {:.4f}", *estimate.error_tokens);
  return text;
}

std::string so_far(const VariantComparison& comparison) {
  return comparison.failure ? "" : fmt::format("KLD {:.6f}", comparison.divergence.kld_so_far());
}

}  // namespace

Json measure_perplexity(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  context.progress({0, "", true});
  size_t index = *context.measurement.text;
  BaselineLogits& logits = bench.logits(index);
  Clock::time_point start = Clock::now();
  PerplexitySum sum;
  for (size_t stage = 0; stage < logits.stage_count(); ++stage) {
    logits.open(stage);
    logits.add_to(sum);
    context.progress(
        {static_cast<double>(stage + 1) / static_cast<double>(logits.stage_count()), so_far(sum), true});
  }
  logits.release();
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return evaluated_text_json(EvaluatedText(bench.text(index), sum, seconds), false);
}

Json measure_divergence(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  size_t index = *context.measurement.text;
  const SessionVariant& visiting = bench.variant();
  BaselineLogits& logits = bench.logits(index);
  uint64_t done = 0;
  // Both models read every token; where the baseline's logits are there, it is told of them at once.
  auto all =
      static_cast<double>(2 * bench.text(index).chunks * static_cast<uint64_t>(bench.decode().context));
  auto step = [&](const ComparisonStep& at) {
    done += at.tokens;
    std::string note = at.variant ? so_far(at.so_far->variants[*at.variant]) : so_far(at.so_far->baseline);
    context.progress({static_cast<double>(done) / all, note, false});
  };
  ComparisonResult found = compare_variants(logits, std::span(&visiting.variant(), 1), step);
  context.progress({1, "", false});
  visiting.check_restored();
  const VariantComparison& comparison = found.variants.front();
  if (comparison.failure) throw NonFiniteError("{}", *comparison.failure);
  EvaluatedText text(bench.text(index), comparison.divergence, comparison.seconds);
  Json result = evaluated_text_json(text, context.plan.config.measures.per_chunk);
  if (bench.recipe() != nullptr) result["recipe"] = recipe_json(*bench.recipe(), visiting.report());
  return result;
}

}  // namespace fakequant
