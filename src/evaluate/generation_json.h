#pragma once
// Texts that were made and compared, as JSON under stable keys.

#include "base/json.h"
#include "evaluate/generation.h"

namespace fakequant {

// {runs: [{prompt, ..., model or baseline: {text, ...}, variants: [...]}], totals: [...]}
Json generation_json(const GenerationResult& result);

}  // namespace fakequant
