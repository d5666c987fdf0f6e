#include "evaluate/generation_json.h"

namespace fakequant {

namespace {

Json text_json(const GeneratedText& text) {
  return {{"text", text.text},
          {"tokens", text.tokens},
          {"ended", text.ended},
          {"top_token_share", text.top_share()}};
}

Json candidate_json(const Candidate& candidate) {
  return {{"token", candidate.token},
          {"name", candidate.name},
          {"baseline_probability", json_number(candidate.baseline_probability)},
          {"variant_probability", json_number(candidate.variant_probability)}};
}

Json comparison_json(const std::string& name, const TextComparison& comparison) {
  Json result{{"name", name}};
  result.update(text_json(comparison.generated));
  result["identical"] = !comparison.divergence.has_value();
  result["equal_token_share"] = comparison.equal_share;
  result["teacher_forcing_share"] = comparison.forced_share;
  result["divergence"] = nullptr;
  if (comparison.divergence) {
    const Divergence& divergence = *comparison.divergence;
    result["divergence"] = {{"token_index", divergence.token_index},
                            {"text_bytes", divergence.text_bytes},
                            {"near_tie", divergence.near_tie},
                            {"baseline", candidate_json(divergence.baseline)},
                            {"variant", candidate_json(divergence.variant)}};
  }
  return result;
}

Json run_json(const GenerationResult& result, size_t index) {
  const PromptRun& run = result.runs[index];
  Json row{{"prompt", run.prompt},
           {"temperature", run.sampling.temperature},
           {"seed", run.sampling.seed},
           {"most_tokens", run.tokens},
           {"prompt_tokens", result.prompt_token_counts[index]}};
  Json own{{"name", result.baseline_name}};
  own.update(text_json(result.baseline[index]));
  row[result.variants.empty() ? "model" : "baseline"] = own;
  if (result.variants.empty()) return row;
  row["variants"] = Json::array();
  for (const VariantTexts& variant : result.variants) {
    if (!variant.failure) row["variants"].push_back(comparison_json(variant.name, variant.texts[index]));
  }
  return row;
}

}  // namespace

Json generation_json(const GenerationResult& result) {
  Json runs = Json::array();
  for (size_t i = 0; i < result.runs.size(); ++i) runs.push_back(run_json(result, i));
  Json json{{"runs", runs}};
  if (result.variants.empty()) return json;
  json["totals"] = Json::array();
  for (const VariantTexts& variant : result.variants) {
    if (variant.failure) {
      json["totals"].push_back({{"name", variant.name}, {"failure", *variant.failure}});
      continue;
    }
    GenerationTotals totals = variant.totals();
    json["totals"].push_back({{"name", variant.name},
                              {"texts", variant.texts.size()},
                              {"identical", totals.identical},
                              {"near_ties", totals.near_ties},
                              {"equal_token_share", totals.equal_share},
                              {"teacher_forcing_share", totals.forced_share}});
  }
  return json;
}

}  // namespace fakequant
