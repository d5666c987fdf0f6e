// Perplexity and divergence: what models make of texts.

#include <fmt/format.h>

#include "engine/non_finite.h"
#include "evaluate/comparison.h"
#include "evaluate/evaluated_text.h"
#include "evaluate/recipe_json.h"
#include "experiment/model_bench.h"
#include "experiment/model_measures.h"

namespace fakequant {

namespace {

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

// The tokens of a text that are read.
double read_tokens(ModelBench& bench, size_t text) {
  return static_cast<double>(bench.session().texts()[text].chunks) * bench.decode().context;
}

}  // namespace

Json measure_perplexity(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  context.progress({0, "", true});
  size_t index = *context.measurement.text;
  // Of the model, not of the text: once.
  if (index == 0) {
    for (const std::string& warning : bench.context_warnings()) context.warn(warning);
  }
  uint64_t done = 0;
  auto step = [&](const ComparisonStep& at) {
    done += at.tokens;
    context.progress(
        {static_cast<double>(done) / read_tokens(bench, index), so_far(at.so_far->baseline), true});
  };
  ComparisonResult found = bench.session().measure_baseline(index, step);
  EvaluatedText text(bench.session().texts()[index], found.baseline, found.baseline_seconds);
  return evaluated_text_json(text, false);
}

Json measure_divergence(MeasureContext& context) {
  ModelBench& bench = context.bench;
  bench.prepare(context);
  size_t index = *context.measurement.text;
  const SessionVariant& visiting = bench.variant();
  uint64_t done = 0;
  // Both models read every token; where the baseline's logits are there, it is told of them at once. They take turns: what comes after
  // the variant's part is the baseline's.
  context.progress({0, "", true});
  auto step = [&](const ComparisonStep& at) {
    done += at.tokens;
    std::string note = at.variant ? so_far(at.so_far->variants[*at.variant]) : so_far(at.so_far->baseline);
    context.progress(
        {static_cast<double>(done) / (2 * read_tokens(bench, index)), note, at.variant.has_value()});
  };
  VariantComparison comparison = bench.session().compare(visiting.variant(), index, step);
  context.progress({1, "", false});
  visiting.check_restored();
  if (comparison.failure) throw NonFiniteError("{}", *comparison.failure);
  EvaluatedText text(bench.session().texts()[index], comparison.divergence, comparison.seconds);
  Json result = evaluated_text_json(text, context.plan.config.measures.per_chunk);
  if (bench.recipe() != nullptr) result["recipe"] = recipe_json(*bench.recipe(), visiting.report());
  return result;
}

}  // namespace fakequant
