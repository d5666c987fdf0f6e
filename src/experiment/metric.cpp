#include "experiment/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {
namespace {

using Value = std::optional<double>;

// What stands at the end of a path of keys, "total.max_abs"; a truth is 1 or 0. Lists on the way stand for their first element.
Value at(const Json& result, const std::string& path) {
  const Json* here = &result;
  for (const std::string& key : split(path, '.')) {
    while (here->is_array() && !here->empty()) here = &here->front();
    if (!here->is_object()) return std::nullopt;
    auto found = here->find(key);
    if (found == here->end()) return std::nullopt;
    here = &*found;
  }
  if (here->is_boolean()) return here->get<bool>() ? 1 : 0;
  if (here->is_number()) return here->get<double>();
  return std::nullopt;
}

// The largest, or with `least` the smallest, of a key over the tensors of a difference.
Value extreme_of_tensors(const Json& result, const char* key, bool least) {
  auto tensors = result.find("tensors");
  Value extreme;
  if (tensors == result.end() || !tensors->is_array()) return extreme;
  for (const Json& tensor : *tensors) {
    Value value = at(tensor, key);
    if (value && (!extreme || (least ? *value < *extreme : *value > *extreme))) extreme = value;
  }
  return extreme;
}

Value difference_of(const Value& a, const Value& b) {
  if (!a || !b) return std::nullopt;
  return *a - *b;
}

// How many times as fast as the baseline: of the last subject, which is the variant.
Value speed_ratio(const Json& result, const char* work) {
  const Json& speed = result.is_array() && !result.empty() ? result.front() : result;
  auto subjects = speed.find("subjects");
  if (subjects == speed.end() || !subjects->is_array() || subjects->empty()) return std::nullopt;
  return at(subjects->back(), work + std::string(".ratio.median"));
}

Value share_of_texts(const Json& result, const char* key) {
  Value some = at(result, std::string("totals.") + key);
  Value all = at(result, "totals.texts");
  if (!some || !all || *all == 0) return std::nullopt;
  return *some / *all;
}

constexpr const char* kDifference = "difference";
constexpr const char* kLoad = "load";
constexpr const char* kDivergence = "divergence";
constexpr const char* kGeneration = "generation";
constexpr const char* kSpeed = "speed";

const Metric kMetrics[] = {
    {"max_abs", kDifference, "largest absolute difference of a weight", "total.max_abs"},
    {"mean_abs", kDifference, "mean absolute difference over the chosen weights", "total.mean_abs"},
    {"max_rel", kDifference, "largest relative difference of a weight", "total.max_rel"},
    {"mean_rel", kDifference, "mean relative difference over the chosen weights", "total.mean_rel"},
    {"rmse", kDifference, "root of the mean square difference", "total.rmse"},
    {"snr_db", kDifference, "signal-to-noise ratio in dB; none where nothing changed", "total.snr_db"},
    {"worst_tensor_mean_rel", kDifference, "mean relative difference of the tensor where it is largest",
     nullptr, [](const Json& result) { return extreme_of_tensors(result, "mean_rel", false); }},
    {"worst_tensor_rmse", kDifference, "root mean square difference of the tensor where it is largest",
     nullptr, [](const Json& result) { return extreme_of_tensors(result, "rmse", false); }},
    {"worst_tensor_snr_db", kDifference, "signal-to-noise ratio of the tensor where it is smallest, in dB",
     nullptr, [](const Json& result) { return extreme_of_tensors(result, "snr_db", true); }},
    {"changed_values", kDifference, "weights whose bits differ", "total.changed_count"},
    {"new_nonfinite", kDifference, "weights that were finite and became NaN or Inf", "total.new_nonfinite"},
    {"store_max_abs", kDifference, "largest difference that storing adds to rounding", "total.store_max_abs"},
    {"bits_per_weight", kDifference, "bits per weight of the chosen tensors in their formats",
     "plan.achieved_bits_per_weight"},
    {"model_bits_per_weight", kDifference,
     "bits per weight of the whole model, the chosen tensors in their formats", "plan.model_bits_per_weight"},
    {"file_bits_per_weight", kDifference, "bits per weight that the file stores",
     "plan.file_bits_per_weight"},
    {"bytes_changed", kDifference, "by how many bytes the file grew; less than 0 where it shrank", nullptr,
     [](const Json& result) {
       return difference_of(at(result, "file.bytes_after"), at(result, "file.bytes_before"));
     }},
    {"types_changed", kDifference, "tensors that the file stores in another type", "file.types_changed"},
    {"tensors_changed", kDifference, "tensors of which a byte differs", "file.tensors_changed"},
    {"metadata_changed", kDifference, "1 where the file's metadata differ, 0 where they are the same",
     nullptr, [](const Json& result) { return difference_of(1, at(result, "file.metadata_identical")); }},
    {"loads", kLoad, "1 where llama.cpp loads the file and makes tokens with it, 0 where it does not",
     nullptr, [](const Json&) -> Value { return 1; }},
    {"tokens_generated", kLoad, "tokens that the loaded file made", "tokens_generated"},
    {"nonfinite", kLoad, "1 where NaN or Inf came out of the loaded file, 0 where none did", "nonfinite"},
    {"baseline_ppl", "perplexity", "perplexity of the baseline", "model.perplexity"},
    {"ppl", kDivergence, "perplexity of the variant", "model.perplexity"},
    {"ppl_ratio", kDivergence, "perplexity over the baseline's", "divergence.ppl_ratio"},
    {"ln_ppl_ratio", kDivergence, "ln of perplexity over the baseline's: 0.01 is 1 % worse",
     "divergence.ln_ppl_ratio"},
    {"ppl_difference", kDivergence, "perplexity less the baseline's", "divergence.ppl_difference"},
    {"kld", kDivergence, "mean KL divergence from the baseline, in nats per token", "divergence.kld_mean"},
    {"kld_median", kDivergence, "median KL divergence of a token", "divergence.kld_median"},
    {"kld_p99", kDivergence, "KL divergence that 99 % of tokens stay below", "divergence.kld_p99"},
    {"kld_p999", kDivergence, "KL divergence that 99.9 % of tokens stay below", "divergence.kld_p999"},
    {"kld_max", kDivergence, "largest KL divergence of a token", "divergence.kld_max"},
    {"kld_worst_1pct", kDivergence, "mean KL divergence of the worst 1 % of tokens", "divergence.cvar_1pct"},
    {"same_top", kDivergence, "share of tokens for which both find the same token most likely",
     "divergence.same_top"},
    {"flip_share", kDivergence, "share of tokens for which they find another token most likely",
     "divergence.flip_share"},
    {"p_diff_rms", kDivergence, "root mean square change of the probability of the token that came",
     "divergence.p_diff_rms"},
    {"entropy_shift", kDivergence, "mean entropy less the baseline's, in nats", "divergence.entropy_shift"},
    {"texts_same", kGeneration, "share of texts that are the baseline's token for token", nullptr,
     [](const Json& result) { return share_of_texts(result, "identical"); }},
    {"texts_same_or_tied", kGeneration, "share of texts that are the same, or part at a near-tie", nullptr,
     [](const Json& result) -> Value {
       Value same = share_of_texts(result, "identical");
       Value tied = share_of_texts(result, "near_ties");
       if (!same || !tied) return std::nullopt;
       return *same + *tied;
     }},
    {"equal_token_share", kGeneration, "share of places where both texts have the same token",
     "totals.equal_token_share"},
    {"teacher_forcing_share", kGeneration,
     "share of the baseline's tokens that the variant finds most likely too", "totals.teacher_forcing_share"},
    {"load_speed_ratio", kSpeed, "how many times as fast as the baseline it loads", nullptr,
     [](const Json& result) { return speed_ratio(result, "load"); }},
    {"prompt_speed_ratio", kSpeed, "how many times as fast as the baseline it reads a prompt", nullptr,
     [](const Json& result) { return speed_ratio(result, "prompt"); }},
    {"generation_speed_ratio", kSpeed, "how many times as fast as the baseline it makes tokens", nullptr,
     [](const Json& result) { return speed_ratio(result, "generation"); }},
};

struct ComparatorWord {
  std::string_view word;
  Comparator comparator;
};

// Longer words first, so that "<=" is not read as "<".
constexpr ComparatorWord kComparators[] = {{"<=", Comparator::less_equal}, {">=", Comparator::greater_equal},
                                           {"==", Comparator::equal},      {"!=", Comparator::not_equal},
                                           {"<", Comparator::less},        {">", Comparator::greater}};

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) names.emplace_back(metric.name);
  return names;
}

double parse_limit(std::string_view condition, std::string_view text) {
  std::string_view digits = text;
  bool percentage = !digits.empty() && digits.back() == '%';
  if (percentage) digits = trim(digits.substr(0, digits.size() - 1));
  double limit = 0;
  if (!parse_double(digits, limit)) {
    throw Error("condition '{}': found '{}' on the right, wanted a number such as 0.05 or 5 %",
                excerpt(condition), excerpt(text));
  }
  return percentage ? limit / 100 : limit;
}

}  // namespace

std::span<const Metric> metrics() {
  return kMetrics;
}

const Metric* find_metric(std::string_view name) {
  auto found = std::ranges::find_if(kMetrics, [&](const Metric& metric) { return metric.name == name; });
  return found == std::end(kMetrics) ? nullptr : &*found;
}

std::optional<double> metric_value(const Metric& metric, const Json& record) {
  auto result = record.find("result");
  if (result != record.end() && !result->is_null()) {
    return metric.place != nullptr ? at(*result, metric.place) : metric.compute(*result);
  }
  if (std::string_view(metric.name) == "loads" && record.contains("failure")) return 0;
  return std::nullopt;
}

bool Condition::holds(double value) const {
  switch (comparator) {
    case Comparator::less:
      return value < limit;
    case Comparator::less_equal:
      return value <= limit;
    case Comparator::greater:
      return value > limit;
    case Comparator::greater_equal:
      return value >= limit;
    case Comparator::equal:
      return value == limit;
    case Comparator::not_equal:
      return value < limit || value > limit;
  }
  FQ_CHECK(false);
  return false;
}

double Condition::worse(double a, double b) const {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? a : b;
  switch (comparator) {
    case Comparator::less:
    case Comparator::less_equal:
      return std::max(a, b);
    case Comparator::greater:
    case Comparator::greater_equal:
      return std::min(a, b);
    case Comparator::equal:
      return std::abs(b - limit) > std::abs(a - limit) ? b : a;
    case Comparator::not_equal:
      return holds(a) ? b : a;
  }
  FQ_CHECK(false);
  return a;
}

Condition parse_condition(std::string_view text) {
  for (size_t place = 0; place < text.size(); ++place) {
    for (const ComparatorWord& row : kComparators) {
      if (!text.substr(place).starts_with(row.word)) continue;
      std::string name(trim(text.substr(0, place)));
      const Metric* metric = find_metric(name);
      if (metric == nullptr) {
        throw Error("condition '{}': '{}' is no metric; docs/experiments.md lists them{}", excerpt(text),
                    excerpt(name), did_you_mean(lower(name), metric_names()));
      }
      double limit = parse_limit(text, trim(text.substr(place + row.word.size())));
      return {metric, row.comparator, limit, std::string(trim(text))};
    }
  }
  throw Error(
      "condition '{}': found no <, <=, >, >=, == or !=, wanted a metric, one of them and a number, such as "
      "\"ln_ppl_ratio < 0.05\"",
      excerpt(text));
}

}  // namespace fakequant
