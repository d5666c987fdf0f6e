#pragma once
// What was measured of a model on one text, by itself or against a baseline; also as JSON. Measures nothing itself.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluate/corpus.h"
#include "evaluate/divergence.h"

namespace fakequant {

struct MeasuredPerplexity {
  PerplexityEstimate estimate;
  std::vector<double> running;  // after each chunk
};

struct EvaluatedText {
  // Of at least one chunk (checked).
  EvaluatedText(const TokenizedText& text, const PerplexitySum& sum, double own_seconds);
  EvaluatedText(const TokenizedText& text, const DivergenceSum& sum, double own_seconds);

  std::string file;
  size_t token_count;  // of the whole text
  size_t chunk_count;  // evaluated
  size_t scored_token_count;
  double seconds;  // of the model's own
  MeasuredPerplexity model;
  // Where it was compared:
  std::optional<MeasuredPerplexity> baseline;
  std::optional<DivergenceEstimate> divergence;
  std::vector<ChunkDivergence> chunks;
};

// The perplexity under its stable keys, with both errors and nats per token.
Json perplexity_json(const PerplexityEstimate& estimate);

// An element of `texts`; with `per_chunk` also the measures of each chunk where the text was compared.
Json evaluated_text_json(const EvaluatedText& text, bool per_chunk);

}  // namespace fakequant
