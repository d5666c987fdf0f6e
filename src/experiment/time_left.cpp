#include "experiment/time_left.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fakequant {

namespace {

std::string work_of(const Measurement& measurement) {
  const MeasurementId& id = measurement.id;
  return id.kind + " " + id.model + " " + id.text;
}

}  // namespace

std::string duration_text(double seconds) {
  auto rounded = static_cast<uint64_t>(std::max(std::llround(seconds), 1LL));
  if (rounded < 90) return fmt::format("{} s", rounded);
  uint64_t minutes = (rounded + 30) / 60;
  if (minutes < 90) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

void TimeLeft::learn(const Measurement& measurement, double seconds) {
  for (Mean* mean : {&of_work_[work_of(measurement)], &of_kind_[measurement.id.kind]}) {
    mean->seconds += seconds;
    ++mean->count;
  }
}

const TimeLeft::Mean* TimeLeft::mean_of(const Measurement& measurement) const {
  auto work = of_work_.find(work_of(measurement));
  if (work != of_work_.end()) return &work->second;
  auto kind = of_kind_.find(measurement.id.kind);
  return kind == of_kind_.end() ? nullptr : &kind->second;
}

TimeLeft::Estimate TimeLeft::of(const std::vector<const Measurement*>& measurements) const {
  Estimate estimate;
  for (const Measurement* measurement : measurements) {
    const Mean* mean = mean_of(*measurement);
    if (mean == nullptr) {
      estimate.is_least = true;
    } else {
      estimate.seconds += mean->seconds / static_cast<double>(mean->count);
    }
  }
  return estimate;
}

std::string left_text(const TimeLeft::Estimate& estimate) {
  if (estimate.seconds == 0) return "";
  return fmt::format("{} {} left", estimate.is_least ? "over" : "about", duration_text(estimate.seconds));
}

}  // namespace fakequant
