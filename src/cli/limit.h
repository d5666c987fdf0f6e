#pragma once
// --fail-if: a limit on a measure of difference, such as max_rel>0.01.

#include <string>
#include <string_view>

#include "analysis/difference.h"

namespace fakequant::cli {

class Limit {
 public:
  // METRIC OP NUMBER with OP one of > >= < <=. Throws UsageError naming what is wrong and the metrics there
  // are.
  static Limit parse(std::string_view text);

  // Whether the condition is true of `difference`; a measure that does not exist (see has_measure) counts as crossed.
  bool crossed(const Difference& difference) const;
  // False when values differ by NaN or Inf, which only counts can tell, or the number is none.
  bool has_measure(const Difference& difference) const;
  double measured(const Difference& difference) const;
  const std::string& text() const { return text_; }

  // The names of all measures, for help.
  static std::string metric_names();

 private:
  struct Metric;
  std::string text_;
  const Metric* metric_ = nullptr;
  bool greater_ = true;
  bool or_equal_ = false;
  double bound_ = 0;
  static const Metric kMetrics[];
};

}  // namespace fakequant::cli
