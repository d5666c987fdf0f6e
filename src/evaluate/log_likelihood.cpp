#include "evaluate/log_likelihood.h"

#include <cmath>
#include <limits>

#include "base/lanes.h"
#include "evaluate/exponential.h"

namespace fakequant {

namespace {

FQ_VECTORIZED float largest_value(const float* values, size_t count) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = -std::numeric_limits<float>::infinity();
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] = lanes[l] < values[i + l] ? values[i + l] : lanes[l];
  }
  for (; i < count; ++i) lanes[0] = lanes[0] < values[i] ? values[i] : lanes[0];
  return max_of_lanes(lanes);
}

FQ_INLINE double exponential(float below_largest) {
  return static_cast<double>(static_cast<float>(exp_down(static_cast<double>(below_largest))));
}

FQ_VECTORIZED double sum_of_exponentials(const float* values, size_t count, float largest) {
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += exponential(values[i + l] - largest);
  }
  for (; i < count; ++i) lanes[0] += exponential(values[i] - largest);
  return sum_of_lanes(lanes);
}

}  // namespace

float largest_of(std::span<const float> values) {
  return largest_value(values.data(), values.size());
}

LogNormalizer log_normalizer(std::span<const float> logits) {
  float largest = largest_of(logits);
  return {largest, std::log(sum_of_exponentials(logits.data(), logits.size(), largest))};
}

double negative_log_likelihood(float logit, const LogNormalizer& normalizer) {
  return -(static_cast<double>(logit - normalizer.largest) - normalizer.log_sum);
}

double negative_log_likelihood(std::span<const float> logits, int32_t label) {
  return negative_log_likelihood(logits[static_cast<size_t>(label)], log_normalizer(logits));
}

}  // namespace fakequant
