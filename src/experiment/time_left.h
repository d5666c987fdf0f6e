#pragma once
// How long a run will still take, from what its measurements took so far. Knows no clock.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiment/experiment_plan.h"

namespace fakequant {

class TimeLeft {
 public:
  // A measurement took so long.
  void learn(const Measurement& measurement, double seconds);

  struct Estimate {
    double seconds = 0;
    bool is_least = false;  // nothing is known of some kinds of measurements yet: they are not in it
  };
  // Of measurements that are still to be made: each what those of its kind, model and text took on average, or else those of its kind.
  Estimate of(const std::vector<const Measurement*>& measurements) const;

 private:
  struct Mean {
    double seconds = 0;
    size_t count = 0;
  };
  const Mean* mean_of(const Measurement& measurement) const;

  std::map<std::string, Mean> of_work_;  // by kind, model and text
  std::map<std::string, Mean> of_kind_;
};

// "40 s", "3 min", "2 h 5 min"; at least "1 s".
std::string duration_text(double seconds);

// "about 3 min left", "over 2 h left"; "" where nothing is known.
std::string left_text(const TimeLeft::Estimate& estimate);

}  // namespace fakequant
