#pragma once
// What conditions and criteria say of the records that are there, as records of docs/journal.md. Knows no journal: who has records
// is asked.

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "experiment/experiment_plan.h"

namespace fakequant {

// The fields of a measurement's record, null where it was not made.
using FindRecord = std::function<const Json*(const std::string& key)>;

// A measured value that a condition is about.
struct ConditionValue {
  const Measurement* measurement;
  std::optional<double> value;  // nothing: it was not measured, it failed, or its result does not have it
};

// The values of the condition's metric for every variant of these stages, measured or not. Controls are no variants of the experiment's
// own, and those that the model cannot have are not measured: neither is among them.
std::vector<ConditionValue> values_of(const Condition& condition, const ExperimentPlan& plan,
                                      const std::vector<std::string>& stages, const FindRecord& find);

// {check, worst, variant, key, holds} of a condition: it holds where there is a value and every value holds. `worst` is the value
// that is furthest from holding, null where one is missing or there is none.
Json reason_of(const Condition& condition, const std::vector<ConditionValue>& values);

// The same of the values that are there in a stage.
Json reason_in(const Condition& condition, const ExperimentPlan& plan, const std::string& stage,
                    const FindRecord& find);

// The decision about a stage that its conditions on the stages that ran before it make: "run" or "skip". `stage` is into
// ExperimentConfig::stages, with conditions.
Json stage_decision(const ExperimentPlan& plan, size_t stage, const std::vector<std::string>& ran,
                    const FindRecord& find);

// The record of a criterion for a stage. Its outcome is "judged" where a person decides; "fail" where a value does not hold;
// else "unmeasured" where one is missing, or none is there; else "pass".
Json criterion_record(const ConfigCriterion& criterion, const ExperimentPlan& plan, const std::string& stage,
                      const FindRecord& find);

// Whether the criterion is one for that stage.
bool is_for(const ConfigCriterion& criterion, const std::string& stage);

}  // namespace fakequant
