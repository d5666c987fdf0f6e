#include "formats/step_function.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace fakequant {
namespace {

StepFunction unequal_steps() {
  StepFunction steps;
  for (size_t i = 0; i < 15; ++i) steps.thresholds[i] = static_cast<float>(i * i) - 20.0f;
  for (size_t i = 0; i < 16; ++i) steps.values[i] = static_cast<float>(i * i * i) - 500.0f;
  return steps;
}

// Every threshold and its neighbours, what lies far out, and some between.
std::vector<float> arguments(const StepFunction& steps) {
  std::vector<float> x{-INFINITY, INFINITY, 0.0f, -0.0f, std::numeric_limits<float>::max(), 1e-40f};
  for (float threshold : steps.thresholds) {
    for (float side : {-INFINITY, INFINITY}) x.push_back(std::nextafter(threshold, side));
    x.push_back(threshold);
  }
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-50.0f, 250.0f);
  for (int i = 0; i < 500; ++i) x.push_back(uniform(random));
  return x;
}

TEST(StepFunction, CountsTheThresholdsThatLieBelow) {
  const StepFunction steps = unequal_steps();
  const std::vector<float> x = arguments(steps);
  // Every length, since whole registers and what is left take different ways.
  for (size_t count : {x.size(), size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}}) {
    std::vector<float> y(count), neighbour(count), next(count), per_gap(count);
    steps.apply(x.data(), y.data(), count);
    steps.apply(x.data(), neighbour.data(), next.data(), per_gap.data(), count);
    for (size_t i = 0; i < count; ++i) {
      size_t below = 0;
      for (float threshold : steps.thresholds) below += threshold < x[i] ? 1 : 0;
      EXPECT_EQ(y[i], steps.values[below]) << x[i];
      EXPECT_EQ(neighbour[i], y[i]);
      EXPECT_EQ(next[i], steps.values[std::min<size_t>(below + 1, 15)]);
      EXPECT_EQ(per_gap[i], below == 15 ? 0.0f : 1.0f / (next[i] - y[i]));
    }
  }
}

TEST(StepFunction, NanStaysNan) {
  const StepFunction steps = unequal_steps();
  const std::vector<float> x(20, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> y(20), next(20), per_gap(20);
  steps.apply(x.data(), y.data(), 20);
  for (float value : y) EXPECT_TRUE(std::isnan(value));
  steps.apply(x.data(), y.data(), next.data(), per_gap.data(), 20);
  for (size_t i = 0; i < 20; ++i)
    EXPECT_TRUE(std::isnan(y[i]) && std::isnan(next[i]) && std::isnan(per_gap[i]));
}

}  // namespace
}  // namespace fakequant
