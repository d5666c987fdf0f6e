#pragma once
// What evaluate tells of models and texts, as text and as JSON.

#include <string>
#include <vector>

#include "cli/evaluate_texts.h"
#include "cli/json.h"
#include "evaluate/perplexity.h"

namespace fakequant::cli {

struct EvaluationSettings {
  DecodeOptions decode;
  int threads;
  std::string flash_attention;  // on, off or auto, as it was asked for
  bool repack;
};

struct EvaluatedText {
  std::string file;
  size_t token_count;  // of the whole text
  size_t chunk_count;  // evaluated
  size_t scored_token_count;
  double seconds;
  PerplexityEstimate estimate;
  std::vector<double> running;
};

struct EvaluatedModel {
  std::string name;
  int training_context;  // 0 when the model does not say
  std::vector<EvaluatedText> texts;
  TextMeasurements made;  // of --prompts and --speed
};

// Prints a table, with `running` also the perplexity after each chunk as llama-perplexity prints it.
void print_evaluation(const std::vector<EvaluatedModel>& models, const EvaluationSettings& settings,
                      bool running);

// Settings and `texts` of one model; of several models `variants`, a list with `texts` of each.
Json evaluation_json(const std::vector<EvaluatedModel>& models, const EvaluationSettings& settings);

}  // namespace fakequant::cli
