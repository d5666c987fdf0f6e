#include "experiment/metric.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"

namespace fakequant {
namespace {

std::string condition_error(std::string_view text) {
  try {
    parse_condition(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

double value_of(const char* metric, const Json& result) {
  const Metric* found = find_metric(metric);
  return found == nullptr ? -999 : metric_value(*found, Json{{"result", result}}).value_or(-998);
}

TEST(ParseCondition, TakesMetricOperatorNumber) {
  Condition condition = parse_condition(" ln_ppl_ratio<0.05 ");
  EXPECT_STREQ(condition.metric->name, "ln_ppl_ratio");
  EXPECT_EQ(condition.comparator, Comparator::less);
  EXPECT_EQ(condition.limit, 0.05);
  EXPECT_EQ(condition.text, "ln_ppl_ratio<0.05");
  EXPECT_EQ(parse_condition("mean_rel <= 1 %").limit, 0.01);
  EXPECT_EQ(parse_condition("snr_db >= -3e1").limit, -30);
}

TEST(ParseCondition, SaysWhatIsWrong) {
  EXPECT_EQ(condition_error("ln_ppl_ration < 0.05"),
            "condition 'ln_ppl_ration < 0.05': 'ln_ppl_ration' is no metric; docs/experiments.md lists them; "
            "did you mean "
            "ln_ppl_ratio, ppl_ratio or ppl?");
  EXPECT_EQ(condition_error("kld = 1"),
            "condition 'kld = 1': found no <, <=, >, >=, == or !=, wanted a metric, one of them and a "
            "number, such as "
            "\"ln_ppl_ratio < 0.05\"");
  EXPECT_EQ(condition_error("kld < low"),
            "condition 'kld < low': found 'low' on the right, wanted a number such as 0.05 or 5 %");
  for (const char* text :
       {"", "<", "kld <", "< 1", "kld < 1 < 2", "kld =< 1", "kld < inf", "kld < nan", "kld < %", "kld"})
    EXPECT_NE(condition_error(text), "") << text;
}

TEST(Condition, HoldsAsItsOperatorSays) {
  struct Case {
    const char* text;
    bool below, at, above;
  };
  for (auto [text, below, at, above] :
       {Case{"kld < 1", true, false, false}, Case{"kld <= 1", true, true, false},
        Case{"kld > 1", false, false, true}, Case{"kld >= 1", false, true, true},
        Case{"kld == 1", false, true, false}, Case{"kld != 1", true, false, true}}) {
    Condition condition = parse_condition(text);
    EXPECT_EQ(condition.holds(0.5), below) << text;
    EXPECT_EQ(condition.holds(1), at) << text;
    EXPECT_EQ(condition.holds(2), above) << text;
    EXPECT_FALSE(condition.holds(std::nan(""))) << text;
  }
}

TEST(Condition, TheWorseOfTwoValuesIsFurtherFromHolding) {
  EXPECT_EQ(parse_condition("kld < 1").worse(0.2, 3), 3);
  EXPECT_EQ(parse_condition("same_top >= 1").worse(0.2, 3), 0.2);
  EXPECT_EQ(parse_condition("kld == 1").worse(0.9, 3), 3);
  EXPECT_EQ(parse_condition("kld == 1").worse(-4, 1), -4);
  EXPECT_EQ(parse_condition("kld != 1").worse(1, 3), 1);
  EXPECT_EQ(parse_condition("kld != 1").worse(3, 1), 1);
  EXPECT_TRUE(std::isnan(parse_condition("kld < 1").worse(std::nan(""), 3)));
  EXPECT_TRUE(std::isnan(parse_condition("kld > 1").worse(3, std::nan(""))));
}

TEST(Metrics, AreUniqueAndOfKindsThatJournalsHave) {
  std::set<std::string> kinds{"difference", "load", "perplexity", "divergence", "generation", "speed"};
  std::set<std::string> names;
  for (const Metric& metric : metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_TRUE(kinds.contains(metric.kind)) << metric.name;
    EXPECT_EQ(find_metric(metric.name), &metric);
  }
  EXPECT_EQ(find_metric("kd"), nullptr);
}

TEST(Metrics, OfADifference) {
  Json result = Json::parse(R"({
    "plan": {"achieved_bits_per_weight": 16, "model_bits_per_weight": 16.5, "file_bits_per_weight": 17},
    "total": {"max_abs": 0.5, "mean_abs": 0.25, "max_rel": 0.125, "mean_rel": 0.0625, "rmse": 2, "snr_db": 49.5,
              "changed_count": 7, "new_nonfinite": 1, "store_max_abs": 3},
    "tensors": [{"mean_rel": 0.01, "rmse": 4, "snr_db": null}, {"mean_rel": 0.03, "rmse": 1, "snr_db": 40},
                {"mean_rel": 0.02, "rmse": 2, "snr_db": 45}],
    "file": {"bytes_before": 100, "bytes_after": 96, "types_changed": 2, "tensors_changed": 5, "metadata_identical": true}})");
  struct Case {
    const char* metric;
    double value;
  };
  for (auto [metric, value] :
       {Case{"max_abs", 0.5}, Case{"mean_abs", 0.25}, Case{"max_rel", 0.125}, Case{"mean_rel", 0.0625},
        Case{"rmse", 2}, Case{"snr_db", 49.5}, Case{"worst_tensor_mean_rel", 0.03},
        Case{"worst_tensor_rmse", 4}, Case{"worst_tensor_snr_db", 40}, Case{"changed_values", 7},
        Case{"new_nonfinite", 1}, Case{"store_max_abs", 3}, Case{"bits_per_weight", 16},
        Case{"model_bits_per_weight", 16.5}, Case{"file_bits_per_weight", 17}, Case{"bytes_changed", -4},
        Case{"types_changed", 2}, Case{"tensors_changed", 5}, Case{"metadata_changed", 0}}) {
    EXPECT_EQ(value_of(metric, result), value) << metric;
  }
}

TEST(Metrics, OfADivergence) {
  Json result = Json::parse(R"({"model": {"perplexity": 20}, "baseline": {"perplexity": 16}, "divergence": {
    "ppl_ratio": 1.25, "ln_ppl_ratio": 0.22, "ppl_difference": 4, "kld_mean": 0.1, "kld_median": 0.05, "kld_p99": 1, "kld_p999": 2,
    "kld_max": 3, "cvar_1pct": 1.5, "same_top": 0.75, "flip_share": 0.25, "p_diff_rms": 0.125, "entropy_shift": -0.5}})");
  struct Case {
    const char* metric;
    double value;
  };
  for (auto [metric, value] :
       {Case{"ppl", 20}, Case{"ppl_ratio", 1.25}, Case{"ln_ppl_ratio", 0.22}, Case{"ppl_difference", 4},
        Case{"kld", 0.1}, Case{"kld_median", 0.05}, Case{"kld_p99", 1}, Case{"kld_p999", 2},
        Case{"kld_max", 3}, Case{"kld_worst_1pct", 1.5}, Case{"same_top", 0.75}, Case{"flip_share", 0.25},
        Case{"p_diff_rms", 0.125}, Case{"entropy_shift", -0.5}}) {
    EXPECT_EQ(value_of(metric, result), value) << metric;
  }
  EXPECT_EQ(value_of("baseline_ppl", result), 20) << "of a perplexity record, whose model is the baseline";
}

TEST(Metrics, OfTextsAndSpeed) {
  Json texts =
      Json::parse(R"({"runs": [], "totals": [{"name": "v", "texts": 8, "identical": 4, "near_ties": 3,
    "equal_token_share": 0.5, "teacher_forcing_share": 0.875}]})");
  EXPECT_EQ(value_of("texts_same", texts), 0.5);
  EXPECT_EQ(value_of("texts_same_or_tied", texts), 0.875);
  EXPECT_EQ(value_of("equal_token_share", texts), 0.5);
  EXPECT_EQ(value_of("teacher_forcing_share", texts), 0.875);
  Json speed =
      Json::parse(R"({"subjects": [{"name": "base", "prompt": {"ratio": null}}, {"name": "v", "load": null,
    "prompt": {"ratio": {"median": 0.5}}, "generation": {"ratio": {"median": 2}}}]})");
  EXPECT_EQ(value_of("prompt_speed_ratio", speed), 0.5);
  EXPECT_EQ(value_of("generation_speed_ratio", speed), 2);
  EXPECT_EQ(value_of("load_speed_ratio", speed), -998);
  Json load{{"tokens_generated", 16}, {"nonfinite", 0}};
  EXPECT_EQ(value_of("tokens_generated", load), 16);
  EXPECT_EQ(value_of("nonfinite", load), 0);
  EXPECT_EQ(value_of("loads", load), 1);
}

TEST(Metrics, AFailureHasNoValueButThatItDoesNotLoad) {
  Json failed{{"kind", "load"}, {"failure", "it is no model"}};
  for (const Metric& metric : metrics()) {
    std::optional<double> value = metric_value(metric, failed);
    bool is_loads = std::string_view(metric.name) == "loads";
    EXPECT_EQ(value, is_loads ? std::optional<double>(0) : std::nullopt) << metric.name;
    EXPECT_EQ(metric_value(metric, Json{{"kind", metric.kind}}), std::nullopt)
        << metric.name << ": nothing was measured";
    if (!is_loads) {
      EXPECT_EQ(metric_value(metric, Json{{"result", Json::object()}}), std::nullopt) << metric.name;
    }
  }
}

}  // namespace
}  // namespace fakequant
