#include "report/criterion_value.h"

#include <gtest/gtest.h>

namespace fakequant::report {
namespace {

std::optional<double> worst(const std::string& check, std::vector<std::optional<double>> values) {
  ReportCriterion criterion;
  criterion.check = check;
  for (const std::optional<double>& value : values)
    criterion.values.push_back({.variant = {}, .text = {}, .value = value, .line = 0});
  std::optional<CriterionValue> result = worst_value(criterion);
  return result ? result->value : std::nullopt;
}

TEST(WorstValue, IsFarthestFromHolding) {
  EXPECT_EQ(worst("mean_rel < 0.01", {0.5, 0.7, 0.1}), 0.7);
  EXPECT_EQ(worst("mean_rel <= 0.01", {0.5, 0.7, 0.1}), 0.7);
  EXPECT_EQ(worst("tokens_generated > 0", {5.0, 3.0, 4.0}), 3.0);
  EXPECT_EQ(worst("tokens_generated >= 1", {5.0, 3.0, 4.0}), 3.0);
  EXPECT_EQ(worst("nonfinite = 0", {0.0, 2.0, 3.0}), 2.0);
  EXPECT_EQ(worst("types != 1", {0.0, 1.0, 2.0}), 1.0);
}

TEST(WorstValue, PassesOverWhatWasNotMeasured) {
  EXPECT_EQ(worst("mean_rel < 0.01", {std::nullopt, 0.2}), 0.2);
  EXPECT_EQ(worst("mean_rel < 0.01", {std::nullopt}), std::nullopt);
  EXPECT_EQ(worst("", {1.0}), std::nullopt);
  EXPECT_EQ(worst("<", {1.0}), 1.0);
}

TEST(ValueText, IsWrittenAsTheCheckIs) {
  EXPECT_EQ(value_text("mean_rel < 1 %", 0.025), "2.5 %");
  EXPECT_EQ(value_text("mean_rel < 0.01", 0.025), "0.025");
  EXPECT_EQ(value_text("mean_rel < 0.01", std::nullopt), "not measured");
}

}  // namespace
}  // namespace fakequant::report
