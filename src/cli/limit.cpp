#include "cli/limit.h"

#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace fakequant::cli {

struct Limit::Metric {
  const char* name;
  double (*measure)(const Difference&);
  bool counts = false;  // tells of NaN and Inf too
};

const Limit::Metric Limit::kMetrics[] = {
    {"max_abs", [](const Difference& d) { return d.max_abs; }},
    {"mean_abs", [](const Difference& d) { return d.mean_abs(); }},
    {"max_rel", [](const Difference& d) { return d.max_rel; }},
    {"mean_rel", [](const Difference& d) { return d.mean_rel(); }},
    {"rmse", [](const Difference& d) { return d.rmse(); }},
    {"snr_db", [](const Difference& d) { return d.snr_db(); }},
    {"cosine", [](const Difference& d) { return d.cosine(); }},
    {"changed_count", [](const Difference& d) { return static_cast<double>(d.changed_count); }, true},
    {"new_nonfinite", [](const Difference& d) { return static_cast<double>(d.new_nonfinite); }, true},
};

std::string Limit::metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) names.emplace_back(metric.name);
  return join(names, ", ");
}

Limit Limit::parse(std::string_view text) {
  Limit limit;
  limit.text_ = std::string(trim(text));
  size_t place = limit.text_.find_first_of("<>");
  std::string_view all = limit.text_;
  if (place == std::string::npos) {
    throw UsageError("--fail-if '{}': wanted a measure, > or <, and a number, as in max_rel>0.01",
                     printable(text));
  }
  std::string_view name = trim(all.substr(0, place));
  limit.greater_ = all[place] == '>';
  limit.or_equal_ = place + 1 < all.size() && all[place + 1] == '=';
  std::string_view bound = trim(all.substr(place + (limit.or_equal_ ? 2 : 1)));
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) {
    names.emplace_back(metric.name);
    if (name == metric.name) limit.metric_ = &metric;
  }
  if (limit.metric_ == nullptr) {
    throw UsageError("--fail-if '{}': '{}' is no measure; wanted one of {}{}", printable(text),
                     printable(name), metric_names(), did_you_mean(name, names));
  }
  if (!parse_double(bound, limit.bound_)) {
    throw UsageError("--fail-if '{}': '{}' is no number", printable(text), printable(bound));
  }
  return limit;
}

double Limit::measured(const Difference& difference) const {
  return metric_->measure(difference);
}

bool Limit::has_measure(const Difference& difference) const {
  return (metric_->counts || difference.nonfinite_changes == 0) && !std::isnan(measured(difference));
}

bool Limit::crossed(const Difference& difference) const {
  if (!has_measure(difference)) return true;
  double value = measured(difference);
  if (or_equal_ && value == bound_) return true;
  return greater_ ? value > bound_ : value < bound_;
}

}  // namespace fakequant::cli
