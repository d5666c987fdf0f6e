#pragma once
// What evaluate tells of models against a baseline, as text and as JSON.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/json.h"
#include "evaluate/divergence.h"

namespace fakequant::cli {

// A variant on a text.
struct DivergenceRow {
  std::string name;            // of the variant
  std::string text;            // file; "" where there is only one
  std::optional<double> bits;  // per weight, of what was rounded; nothing for a file
  DivergenceEstimate estimate;
};

// Prints one line for each row, with what the columns mean beneath; errors are those of chunks.
void print_divergences(std::span<const DivergenceRow> rows);

// Prints everything of one row, in the order and with the names of llama-perplexity --kl-divergence, then what it does not tell.
void print_divergence(const DivergenceRow& row);

// `divergence` of a text: every number under stable keys; what does not exist is null.
Json divergence_json(const DivergenceEstimate& estimate);

// [{nats_per_token, nats_per_token_baseline, ln_ppl_ratio, kld_mean, p_diff_mean, same_top}, ...], one for each chunk.
Json chunk_divergences_json(std::span<const ChunkDivergence> chunks);

}  // namespace fakequant::cli
