#include "experiment/decisions.h"

#include <algorithm>

#include "base/error.h"

namespace fakequant {

namespace {

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

bool is_of(const Measurement& measurement, const ExperimentPlan& plan,
           const std::vector<std::string>& stages) {
  if (!measurement.variant) return false;
  const ExperimentVariant& variant = plan.variants[*measurement.variant];
  return variant.config != nullptr && std::ranges::find(stages, variant.stage) != stages.end();
}

// The value that is furthest from holding; a missing one is further than any.
const ConditionValue* worst_of(const Condition& condition, const std::vector<ConditionValue>& values) {
  const ConditionValue* worst = nullptr;
  for (const ConditionValue& value : values) {
    if (!value.value) return &value;
    if (worst == nullptr || condition.worse(*worst->value, *value.value) != *worst->value) worst = &value;
  }
  return worst;
}

const char* outcome_of(const ConfigCriterion& criterion, const std::vector<ConditionValue>& values) {
  if (!criterion.condition) return "judged";
  auto fails = [&](const ConditionValue& value) {
    return value.value && !criterion.condition->holds(*value.value);
  };
  if (std::ranges::any_of(values, fails)) return "fail";
  auto is_missing = [](const ConditionValue& value) { return !value.value; };
  return values.empty() || std::ranges::any_of(values, is_missing) ? "unmeasured" : "pass";
}

}  // namespace

std::vector<ConditionValue> values_of(const Condition& condition, const ExperimentPlan& plan,
                                      const std::vector<std::string>& stages, const FindRecord& find) {
  std::vector<ConditionValue> values;
  for (const Measurement& measurement : plan.measurements) {
    if (measurement.id.kind != condition.metric->kind || !is_of(measurement, plan, stages)) continue;
    const Json* record = find(measurement.id.key);
    values.push_back(
        {&measurement, record != nullptr ? metric_value(*condition.metric, *record) : std::nullopt});
  }
  return values;
}

Json reason_of(const Condition& condition, const std::vector<ConditionValue>& values) {
  const ConditionValue* worst = worst_of(condition, values);
  bool holds = worst != nullptr && worst->value && condition.holds(*worst->value);
  return {{"check", condition.text},
          {"worst", worst != nullptr ? json_number(worst->value) : Json()},
          {"variant", worst != nullptr ? text_or_null(worst->measurement->id.variant) : Json()},
          {"key", worst != nullptr ? text_or_null(worst->measurement->id.key) : Json()},
          {"holds", holds}};
}

Json reason_in(const Condition& condition, const ExperimentPlan& plan, const std::string& stage,
                    const FindRecord& find) {
  std::vector<ConditionValue> values = values_of(condition, plan, {stage}, find);
  std::erase_if(values, [](const ConditionValue& value) { return !value.value; });
  return reason_of(condition, values);
}

Json stage_decision(const ExperimentPlan& plan, size_t stage, const std::vector<std::string>& ran,
                    const FindRecord& find) {
  const ConfigStage& wanted = plan.config.stages[stage];
  FQ_CHECK(!wanted.conditions.empty());
  Json reasons = Json::array();
  bool all_hold = true;
  for (const Condition& condition : wanted.conditions) {
    reasons.push_back(reason_of(condition, values_of(condition, plan, ran, find)));
    all_hold = all_hold && reasons.back()["holds"].get<bool>();
  }
  return {{"kind", "decision"},
          {"stage", wanted.name},
          {"action", all_hold ? "run" : "skip"},
          {"reasons", std::move(reasons)}};
}

Json criterion_record(const ConfigCriterion& criterion, const ExperimentPlan& plan, const std::string& stage,
                      const FindRecord& find) {
  std::vector<ConditionValue> values;
  if (criterion.condition) values = values_of(*criterion.condition, plan, {stage}, find);
  Json listed = Json::array();
  for (const ConditionValue& value : values) {
    const MeasurementId& id = value.measurement->id;
    listed.push_back({{"model", id.model},
                      {"variant", text_or_null(id.variant)},
                      {"text", text_or_null(id.text)},
                      {"value", json_number(value.value)},
                      {"key", id.key}});
  }
  return {{"kind", "criterion"},
          {"stage", stage},
          {"name", criterion.name},
          {"check", criterion.condition ? Json(criterion.condition->text) : Json()},
          {"values", std::move(listed)},
          {"outcome", outcome_of(criterion, values)}};
}

bool is_for(const ConfigCriterion& criterion, const std::string& stage) {
  return criterion.stages.empty() || std::ranges::find(criterion.stages, stage) != criterion.stages.end();
}

}  // namespace fakequant
