#include "evaluate/jackknife.h"

#include <cmath>
#include <vector>

namespace fakequant {

std::optional<double> jackknife_error(std::span<const double> without) {
  if (without.size() < kLeastJackknifeChunks) return std::nullopt;
  auto count = static_cast<double>(without.size());
  double mean = 0;
  for (double value : without) mean += value / count;
  double squares = 0;
  for (double value : without) squares += (value - mean) * (value - mean);
  return std::sqrt(squares * (count - 1) / count);
}

std::optional<double> jackknife_error_of_mean(std::span<const double> chunk_sums, size_t tokens_per_chunk) {
  if (chunk_sums.size() < kLeastJackknifeChunks) return std::nullopt;
  double sum = 0;
  for (double chunk : chunk_sums) sum += chunk;
  double tokens_left = static_cast<double>(tokens_per_chunk) * static_cast<double>(chunk_sums.size() - 1);
  std::vector<double> without;
  for (double chunk : chunk_sums) without.push_back((sum - chunk) / tokens_left);
  return jackknife_error(without);
}

}  // namespace fakequant
