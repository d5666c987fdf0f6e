#include "evaluate/evaluated_text.h"

#include "evaluate/divergence_json.h"

namespace fakequant {

namespace {

MeasuredPerplexity measured(const PerplexitySum& sum) {
  return {sum.estimate(), sum.running()};
}

Json measured_json(const MeasuredPerplexity& measured) {
  Json result = perplexity_json(measured.estimate);
  result["running"] = measured.running;
  return result;
}

}  // namespace

EvaluatedText::EvaluatedText(const TokenizedText& text, const PerplexitySum& sum, double own_seconds)
    : file(text.file),
      token_count(text.tokens.size()),
      chunk_count(text.chunks),
      scored_token_count(sum.token_count()),
      seconds(own_seconds),
      model(measured(sum)) {}

EvaluatedText::EvaluatedText(const TokenizedText& text, const DivergenceSum& sum, double own_seconds)
    : EvaluatedText(text, sum.model(), own_seconds) {
  baseline = measured(sum.baseline());
  divergence = sum.estimate();
  chunks = sum.chunks();
}

Json perplexity_json(const PerplexityEstimate& estimate) {
  return {{"perplexity", json_number(estimate.perplexity)},
          {"perplexity_error", json_number(estimate.error_tokens)},
          {"perplexity_error_chunks", json_number(estimate.error_chunks)},
          {"nats_per_token", json_number(estimate.nats_per_token)}};
}

Json evaluated_text_json(const EvaluatedText& text, bool per_chunk) {
  Json result{{"file", text.file},          {"tokens", text.token_count},
              {"chunks", text.chunk_count}, {"scored_tokens", text.scored_token_count},
              {"seconds", text.seconds},    {"model", measured_json(text.model)}};
  if (text.baseline) result["baseline"] = measured_json(*text.baseline);
  if (text.divergence) result["divergence"] = divergence_json(*text.divergence);
  if (per_chunk && text.divergence) result["per_chunk"] = chunk_divergences_json(text.chunks);
  return result;
}

}  // namespace fakequant
