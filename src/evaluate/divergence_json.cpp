#include "evaluate/divergence_json.h"

#include <fmt/format.h>

#include <string>

namespace fakequant {

namespace {

void put(Json& json, const std::string& name, const std::string& value_key, const Uncertain& measure) {
  json[value_key] = json_number(measure.value);
  json[name + "_error"] = json_number(measure.error_tokens);
  json[name + "_error_chunks"] = json_number(measure.error_chunks);
}

void put(Json& json, const std::string& name, const Uncertain& measure) {
  put(json, name, name, measure);
}

// The digits behind the point: p999 for 0.999, p05 for 0.05; median for 0.5.
std::string quantile_key(double fraction) {
  if (fraction == 0.5) return "median";
  return fmt::format("p{}", fmt::format("{:0<4}", fmt::format("{}", fraction)).substr(2));
}

void put(Json& json, const std::string& name, const Distribution& distribution) {
  json[name + "_max"] = json_number(distribution.maximum);
  for (double fraction : kQuantileFractions)
    json[name + "_" + quantile_key(fraction)] = json_number(distribution.at(fraction));
  json[name + "_min"] = json_number(distribution.minimum);
}

Json by_confidence_json(const DivergenceEstimate& estimate) {
  Json result = Json::array();
  for (const ConfidenceBucket& bucket : estimate.by_confidence) {
    result.push_back({{"from", bucket.from},
                      {"below", bucket.below},
                      {"tokens", bucket.token_count},
                      {"kld_mean", json_number(bucket.kld_mean())},
                      {"flips", bucket.flip_count}});
  }
  return result;
}

}  // namespace

Json divergence_json(const DivergenceEstimate& estimate) {
  Json result{{"scored_tokens", estimate.token_count}};
  put(result, "ln_ppl_ratio", estimate.ln_ppl_ratio);
  put(result, "ppl_ratio", estimate.ppl_ratio);
  put(result, "ppl_difference", estimate.ppl_difference);
  result["correlation"] = json_number(estimate.correlation);
  put(result, "kld", "kld_mean", estimate.kld);
  put(result, "kld", estimate.klds);
  result["cvar_1pct"] = json_number(estimate.kld_cvar_1pct);
  put(result, "p_diff", "p_diff_mean", estimate.p_diff);
  put(result, "p_diff", estimate.p_diffs);
  put(result, "p_diff_rms", estimate.p_diff_rms);
  put(result, "same_top", estimate.same_top);
  result["flips"] = estimate.flip_count;
  result["flip_share"] =
      json_number(static_cast<double>(estimate.flip_count) / static_cast<double>(estimate.token_count));
  result["flips_by_margin"] = json_number(estimate.flips_by_margin);
  result["entropy"] = json_number(estimate.entropy);
  result["entropy_baseline"] = json_number(estimate.entropy_baseline);
  put(result, "entropy_shift", estimate.entropy_shift);
  result["by_confidence"] = by_confidence_json(estimate);
  return result;
}

Json chunk_divergences_json(std::span<const ChunkDivergence> chunks) {
  Json result = Json::array();
  for (const ChunkDivergence& chunk : chunks) {
    result.push_back({{"nats_per_token", json_number(chunk.nats)},
                      {"nats_per_token_baseline", json_number(chunk.nats_baseline)},
                      {"ln_ppl_ratio", json_number(chunk.nats - chunk.nats_baseline)},
                      {"kld_mean", json_number(chunk.kld)},
                      {"p_diff_mean", json_number(chunk.p_diff)},
                      {"same_top", json_number(chunk.same_top)}});
  }
  return result;
}

}  // namespace fakequant
