#pragma once
// What evaluate tells of models against a baseline, as text.

#include <optional>
#include <span>
#include <string>
#include <vector>

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

}  // namespace fakequant::cli
