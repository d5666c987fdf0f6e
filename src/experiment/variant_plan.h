#pragma once
// A variant of an experiment on one model: what it is in words, its plan, and whether that can be carried out. Reads no weights.

#include <string>
#include <vector>

#include "experiment/experiment_plan.h"

namespace fakequant {

// One phrase: "ffn_norm of layers 0-2 in bf16:rtz", "recipe mixed.toml", "q4.gguf as it is", "keys cached as q8_0".
std::string what_of(const ConfigVariant& variant);

// Why a rule names layers that the model does not have; "" where none does.
std::string missing_layers(const std::vector<Rule>& rules, const Model& model);

// The plan of the variant's rules. Throws Error for layers and tensors that the model does not have, formats that do not fit their
// tensors (all of them, without skip_unfit), and stores that llama.cpp's kernels do not take.
Plan plan_variant(const ConfigVariant& variant, const Model& model);

// Throws Error for a planned tensor that cannot be rounded: a format that needs importance and finds none.
void check_rounders(const Plan& plan, const Model& model, const ImportanceMatrix& importance);

// What is worth knowing of a plan: plan_remarks() with this importance matrix.
std::vector<std::string> remarks_of(const Plan& plan, const Model& model, const ImportanceMatrix& importance);

// Throws Error where the two have different vocabularies: their distributions cannot be compared.
void check_vocabulary(const PlannedModel& model, const PlannedModel& baseline);

}  // namespace fakequant
