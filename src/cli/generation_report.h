#pragma once
// What evaluate --prompts tells of texts, for people.

#include "evaluate/generation.h"

namespace fakequant::cli {

// Every text, each variant's with `>>` where it parts from the baseline's, then a line for each run and a total.
void print_generation(const GenerationResult& result);

}  // namespace fakequant::cli
