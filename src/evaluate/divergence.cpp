#include "evaluate/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace fakequant {

namespace {

double quantile_of(std::span<const float> sorted, double fraction) {
  double place = fraction * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<size_t>(place);
  size_t above = std::min(below + 1, sorted.size() - 1);
  double rest = place - static_cast<double>(below);
  return (1 - rest) * sorted[below] + rest * sorted[above];
}

Distribution distribution_of(std::span<const float> sorted) {
  Distribution result;
  result.maximum = sorted.back();
  result.minimum = sorted.front();
  for (size_t i = 0; i < kQuantileFractions.size(); ++i)
    result.quantiles[i] = quantile_of(sorted, kQuantileFractions[i]);
  return result;
}

double mean_of_largest_percent(std::span<const float> sorted) {
  size_t count = (sorted.size() + 99) / 100;
  double sum = 0;
  for (float value : sorted.last(count)) sum += value;
  return sum / static_cast<double>(count);
}

std::optional<double> scaled(std::optional<double> error, double factor) {
  if (!error) return std::nullopt;
  return *error * factor;
}

// The jackknife of a function of chunk sums that is not a mean.
template <typename Estimate>
std::optional<double> jackknife(size_t chunk_count, Estimate&& estimate_without) {
  std::vector<double> without;
  for (size_t i = 0; i < chunk_count; ++i) without.push_back(estimate_without(i));
  return jackknife_error(without);
}

}  // namespace

double Distribution::at(double fraction) const {
  for (size_t i = 0; i < kQuantileFractions.size(); ++i) {
    if (kQuantileFractions[i] == fraction) return quantiles[i];
  }
  FQ_CHECK(false && "no such quantile");
  return 0;
}

std::optional<double> ConfidenceBucket::kld_mean() const {
  if (token_count == 0) return std::nullopt;
  return kld_sum / static_cast<double>(token_count);
}

void DivergenceSum::Moments::add_chunk(std::span<const double> values) {
  double chunk = 0;
  for (double value : values) {
    chunk += value;
    squares += value * value;
  }
  sum += chunk;
  chunk_sums.push_back(chunk);
}

double DivergenceSum::Moments::mean(size_t count) const {
  return sum / static_cast<double>(count);
}

double DivergenceSum::Moments::variance_of_mean(size_t count) const {
  FQ_CHECK(count > 1);
  auto tokens = static_cast<double>(count);
  double variance = squares / tokens - mean(count) * mean(count);
  return std::max(variance, 0.0) / (tokens - 1);
}

Uncertain DivergenceSum::Moments::uncertain(size_t count) const {
  Uncertain result;
  result.value = mean(count);
  if (count > 1) result.error_tokens = std::sqrt(variance_of_mean(count));
  result.error_chunks = jackknife_error_of_mean(chunk_sums, count / chunk_sums.size());
  return result;
}

Uncertain DivergenceSum::Moments::uncertain_root(size_t count) const {
  Uncertain result;
  Uncertain square = uncertain(count);
  result.value = std::sqrt(square.value);
  // All are 0: so is every error that exists.
  double slope = result.value > 0 ? 0.5 / result.value : 0;
  result.error_tokens = scaled(square.error_tokens, slope);
  auto tokens_left = static_cast<double>(count - count / chunk_sums.size());
  result.error_chunks = jackknife(chunk_sums.size(), [&](size_t i) {
    return std::sqrt(std::max(sum - chunk_sums[i], 0.0) / tokens_left);
  });
  return result;
}

DivergenceSum::Buckets DivergenceSum::empty_buckets() {
  Buckets result;
  for (size_t i = 0; i < result.size(); ++i) {
    result[i].from = i == 0 ? 0 : kConfidenceBounds[i - 1];
    result[i].below = i < kConfidenceBounds.size() ? kConfidenceBounds[i] : 1;
  }
  return result;
}

void DivergenceSum::add_token(const TokenComparison& token) {
  FQ_CHECK(token.is_finite());
  baseline_times_difference_ += token.nats_baseline * (token.nats - token.nats_baseline);
  entropy_ += token.entropy;
  entropy_baseline_ += token.entropy_baseline;
  if (!token.same_top) margin_of_flips_ += token.margin;
  size_t bucket = 0;
  while (bucket < kConfidenceBounds.size() && token.confidence >= kConfidenceBounds[bucket]) ++bucket;
  ++by_confidence_[bucket].token_count;
  by_confidence_[bucket].flip_count += token.same_top ? 0 : 1;
  by_confidence_[bucket].kld_sum += token.kld;
  klds_.push_back(static_cast<float>(token.kld));
  p_diffs_.push_back(static_cast<float>(token.p_diff));
}

void DivergenceSum::add_chunk(std::span<const TokenComparison> tokens) {
  std::vector<double> values(tokens.size());
  auto add = [&](auto& sums, auto&& value_of) {
    std::transform(tokens.begin(), tokens.end(), values.begin(), value_of);
    sums.add_chunk(values);
  };
  using Token = const TokenComparison&;
  for (Token token : tokens) add_token(token);
  add(model_, [](Token t) { return t.nats; });
  add(baseline_, [](Token t) { return t.nats_baseline; });
  add(nats_, [](Token t) { return t.nats; });
  add(nats_baseline_, [](Token t) { return t.nats_baseline; });
  add(nats_difference_, [](Token t) { return t.nats - t.nats_baseline; });
  add(kld_, [](Token t) { return t.kld; });
  add(p_diff_, [](Token t) { return t.p_diff; });
  add(p_diff_squares_, [](Token t) { return t.p_diff * t.p_diff; });
  add(same_top_, [](Token t) { return t.same_top ? 1.0 : 0.0; });
  add(entropy_shift_, [](Token t) { return t.entropy - t.entropy_baseline; });
  auto count = static_cast<double>(tokens.size());
  chunks_.push_back({nats_.chunk_sums.back() / count, nats_baseline_.chunk_sums.back() / count,
                     kld_.chunk_sums.back() / count, p_diff_.chunk_sums.back() / count,
                     same_top_.chunk_sums.back() / count});
}

double DivergenceSum::kld_so_far() const {
  FQ_CHECK(token_count() > 0);
  return kld_.mean(token_count());
}

// With x the model's nats, y the baseline's and d = x - y: everything from d, so that a small difference of large numbers is not taken.
void DivergenceSum::estimate_perplexities(DivergenceEstimate& result) const {
  size_t count = token_count();
  result.model = model_.estimate();
  result.baseline = baseline_.estimate();
  double a = result.model.perplexity;
  double b = result.baseline.perplexity;
  result.ln_ppl_ratio = nats_difference_.uncertain(count);
  result.ppl_ratio.value = std::exp(result.ln_ppl_ratio.value);
  result.ppl_ratio.error_tokens = scaled(result.ln_ppl_ratio.error_tokens, result.ppl_ratio.value);
  // A difference of the means' exponentials, by way of the logarithm so that it is exact when it is small.
  result.ppl_difference.value = b * std::expm1(result.ln_ppl_ratio.value);
  auto tokens_left = static_cast<double>(count - count / chunks_.size());
  auto mean_without = [&](const Moments& moments, size_t i) {
    return (moments.sum - moments.chunk_sums[i]) / tokens_left;
  };
  result.ppl_ratio.error_chunks =
      jackknife(chunks_.size(), [&](size_t i) { return std::exp(mean_without(nats_difference_, i)); });
  result.ppl_difference.error_chunks = jackknife(chunks_.size(), [&](size_t i) {
    return std::exp(mean_without(nats_baseline_, i)) * std::expm1(mean_without(nats_difference_, i));
  });
  if (count < 2) return;
  double variance_y = nats_baseline_.variance_of_mean(count);
  double variance_d = nats_difference_.variance_of_mean(count);
  auto tokens = static_cast<double>(count);
  double covariance_yd =
      (baseline_times_difference_ / tokens - nats_baseline_.mean(count) * nats_difference_.mean(count)) /
      (tokens - 1);
  // a x - b y = (a - b) y + a d
  double variance = (a - b) * (a - b) * variance_y + a * a * variance_d + 2 * (a - b) * a * covariance_yd;
  result.ppl_difference.error_tokens = std::sqrt(std::max(variance, 0.0));
  double variance_x = nats_.variance_of_mean(count);
  if (variance_x > 0 && variance_y > 0)
    result.correlation = (variance_y + covariance_yd) / std::sqrt(variance_x * variance_y);
}

DivergenceEstimate DivergenceSum::estimate() const {
  size_t count = token_count();
  FQ_CHECK(count > 0);
  DivergenceEstimate result;
  result.token_count = count;
  result.chunk_count = chunks_.size();
  estimate_perplexities(result);

  std::vector<float> sorted = klds_;
  std::sort(sorted.begin(), sorted.end());
  result.kld = kld_.uncertain(count);
  result.klds = distribution_of(sorted);
  result.kld_cvar_1pct = mean_of_largest_percent(sorted);

  sorted = p_diffs_;
  std::sort(sorted.begin(), sorted.end());
  result.p_diff = p_diff_.uncertain(count);
  result.p_diffs = distribution_of(sorted);
  result.p_diff_rms = p_diff_squares_.uncertain_root(count);

  auto tokens = static_cast<double>(count);
  result.same_top = same_top_.uncertain(count);
  for (const ConfidenceBucket& bucket : by_confidence_) result.flip_count += bucket.flip_count;
  result.flips_by_margin = margin_of_flips_ / tokens;
  result.entropy = entropy_ / tokens;
  result.entropy_baseline = entropy_baseline_ / tokens;
  result.entropy_shift = entropy_shift_.uncertain(count);
  result.by_confidence = by_confidence_;
  return result;
}

}  // namespace fakequant
