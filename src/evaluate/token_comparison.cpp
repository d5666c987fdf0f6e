#include "evaluate/token_comparison.h"

#include <algorithm>

#include "base/error.h"
#include "base/lanes.h"
#include "evaluate/exponential.h"

namespace fakequant {

namespace {

constexpr size_t kBlock = 16 * kLanes;  // what is computed of a block stays in the first-level cache
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Rows {
  const float* model;
  const float* baseline;
  size_t count;
  double model_largest;
  double baseline_largest;
  double cut;  // baseline's values not above it carry no weight
};

// With e and f the exponentials of what model and baseline are below their largest value, x and v: sums over the vocabulary.
struct Sums {
  double model;             // e
  double model_logs;        // e x
  double baseline;          // f
  double baseline_logs;     // f v
  double baseline_differs;  // f (v - x)
};

// The same of a part of the vocabulary; what lies behind its end is impossible for both.
struct Block {
  double x[kBlock];
  double e[kBlock];
  double v[kBlock];
  double f[kBlock];
};

FQ_INLINE void fill_block(const Rows& rows, size_t first, Block& block) {
  size_t count = std::min(kBlock, rows.count - first);
  const float* model = rows.model + first;
  const float* baseline = rows.baseline + first;
  for (size_t i = 0; i < count; ++i) {
    block.x[i] = static_cast<double>(model[i]) - rows.model_largest;
    block.e[i] = exp_down(block.x[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    block.v[i] = static_cast<double>(baseline[i]) - rows.baseline_largest;
    double f = exp_down(block.v[i]);
    block.f[i] = static_cast<double>(baseline[i]) <= rows.cut ? 0.0 : f;
  }
  for (size_t i = count; i < kBlock; ++i) {
    block.x[i] = block.v[i] = 0;
    block.e[i] = block.f[i] = 0;
  }
}

// A product with a probability: what is impossible adds nothing, though its logarithm is infinite.
FQ_INLINE double weighted(double weight, double value) {
  double product = weight * value;
  return weight == 0 ? 0.0 : product;
}

FQ_VECTORIZED void sum_rows(const Rows& rows, Sums& sums) {
  double model[kLanes] = {}, model_logs[kLanes] = {};
  double baseline[kLanes] = {}, baseline_logs[kLanes] = {}, differs[kLanes] = {};
  Block block;
  for (size_t first = 0; first < rows.count; first += kBlock) {
    fill_block(rows, first, block);
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t l = 0; l < kLanes; ++l) model[l] += block.e[i + l];
      for (size_t l = 0; l < kLanes; ++l) model_logs[l] += weighted(block.e[i + l], block.x[i + l]);
    }
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t l = 0; l < kLanes; ++l) baseline[l] += block.f[i + l];
      for (size_t l = 0; l < kLanes; ++l) baseline_logs[l] += weighted(block.f[i + l], block.v[i + l]);
      for (size_t l = 0; l < kLanes; ++l)
        differs[l] += weighted(block.f[i + l], block.v[i + l] - block.x[i + l]);
    }
  }
  sums.model = sum_of_lanes(model);
  sums.model_logs = sum_of_lanes(model_logs);
  sums.baseline = sum_of_lanes(baseline);
  sums.baseline_logs = sum_of_lanes(baseline_logs);
  sums.baseline_differs = sum_of_lanes(differs);
}

FQ_VECTORIZED bool holds(const float* values, float wanted) {
  unsigned found = 0;
  for (size_t i = 0; i < kBlock; ++i) found |= values[i] == wanted ? 1U : 0U;
  return found != 0;
}

// Where `wanted` stands first; 0 where it does not, which is when all values are NaN.
size_t first_index_of(std::span<const float> values, float wanted) {
  size_t start = 0;
  while (start + kBlock <= values.size() && !holds(values.data() + start, wanted)) start += kBlock;
  for (size_t i = start; i < values.size(); ++i) {
    if (values[i] == wanted) return i;
  }
  return 0;
}

double entropy_of(double sum, double sum_of_logs) {
  return std::log(sum) - sum_of_logs / sum;
}

// Of logits: both are normalized by the same exponentials that weigh them, so that nothing is left of equal ones.
void compare_distributions(const Sums& sums, TokenComparison& result) {
  result.kld = sums.baseline_differs / sums.baseline + std::log(sums.model / sums.baseline);
  if (result.kld < 0) result.kld = 0;  // rounding: what is left of an exact 0
  result.confidence = 1 / sums.baseline;
  result.entropy_baseline = entropy_of(sums.baseline, sums.baseline_logs);
}

// Of log-probabilities that are used as they are, whatever they sum to; `largest` is the largest one.
void compare_stored(const Sums& sums, double largest, TokenComparison& result) {
  double scale = std::exp(largest);
  result.kld = scale * (sums.baseline_differs + sums.baseline * (std::log(sums.model) + largest));
  result.confidence = scale;
  result.entropy_baseline = -scale * (sums.baseline_logs + sums.baseline * largest);
}

}  // namespace

TokenComparison compare_token(const BaselineRow& baseline, std::span<const float> logits, int32_t label) {
  auto place = static_cast<size_t>(label);
  FQ_CHECK(label >= 0 && place < logits.size() && logits.size() == baseline.values.size());
  std::span<const float> values = baseline.values;
  LogNormalizer normalizer = log_normalizer(logits);
  TokenComparison result;
  result.nats = negative_log_likelihood(logits[place], normalizer);
  result.nats_baseline = negative_log_likelihood(values[place], baseline.normalizer);
  result.p_diff = std::exp(-result.nats) - std::exp(-result.nats_baseline);

  float largest = largest_of(values);
  size_t top = first_index_of(values, largest);
  float second = std::max(largest_of(values.first(top)), largest_of(values.subspan(top + 1)));
  result.same_top = top == first_index_of(logits, normalizer.largest);

  double offset = baseline.normalizer.largest + baseline.normalizer.log_sum;
  Sums sums;
  sum_rows(
      {logits.data(), values.data(), logits.size(), normalizer.largest, largest, baseline.floor + offset},
      sums);
  result.entropy = entropy_of(sums.model, sums.model_logs);
  if (baseline.floor == -kInfinity) {
    compare_distributions(sums, result);
  } else {
    compare_stored(sums, largest - offset, result);
  }
  result.margin = result.confidence - result.confidence * std::exp(static_cast<double>(second) - largest);
  return result;
}

}  // namespace fakequant
