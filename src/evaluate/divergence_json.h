#pragma once
// A divergence as JSON under stable keys.

#include <span>

#include "base/json.h"
#include "evaluate/divergence.h"

namespace fakequant {

// `divergence` of a text: every number; what does not exist is null.
Json divergence_json(const DivergenceEstimate& estimate);

// [{nats_per_token, nats_per_token_baseline, ln_ppl_ratio, kld_mean, p_diff_mean, same_top}, ...], one for each chunk.
Json chunk_divergences_json(std::span<const ChunkDivergence> chunks);

}  // namespace fakequant
