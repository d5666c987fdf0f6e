#pragma once
// Standard errors that respect that the tokens of a chunk belong together. Knows no measures.

#include <cstddef>
#include <optional>
#include <span>

namespace fakequant {

// Fewer chunks than this say too little about how much chunks differ.
inline constexpr size_t kLeastJackknifeChunks = 8;

// The standard error of an estimate by jackknife.
//
//   without  the estimate with one chunk left out, for each chunk
//   returns  sqrt((n - 1) / n x sum of squared distances from their mean); nothing below kLeastJackknifeChunks
std::optional<double> jackknife_error(std::span<const double> without);

// The same for a mean over tokens, of which every chunk has the same number.
std::optional<double> jackknife_error_of_mean(std::span<const double> chunk_sums, size_t tokens_per_chunk);

}  // namespace fakequant
