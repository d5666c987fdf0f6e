#pragma once
// The control of a comparison: all weights rounded to a format that is known to matter little, so that a reader sees which
// differences are the size of noise. Knows no models in memory.

#include <optional>
#include <string>

#include "gguf/shards.h"
#include "select/plan.h"

namespace fakequant {

// Rounds every weight to `format` that stays in its storage type: tensors of F32, F16 and BF16 that the format fits. Others,
// quantized ones above all, are left alone: the plan may be empty. Indices are those of `tensors`; sums are over the chosen
// tensors, the model's over all.
Plan control_plan(TensorList tensors, const Format& format);

struct Control {
  std::string name;  // "control: bf16:rne on 57 of 60 tensors"
  Plan plan;
};

// The control of a model; nothing where no tensor takes the format in the type that it is stored as.
std::optional<Control> plan_control(const Model& model, const Format& format);

}  // namespace fakequant
