#pragma once
// Times that were measured, as JSON under stable keys.

#include "base/json.h"
#include "evaluate/throughput.h"

namespace fakequant {

// {repetitions, threads, prompt_tokens, generated_tokens, subjects: [{name, load, prompt, generation}, ...]}; the first subject
// is the baseline of the others.
Json throughput_json(const SpeedResults& results);

}  // namespace fakequant
