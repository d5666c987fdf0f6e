#pragma once
// Rounds blocks to a table of levels. Internal to formats: nothing here is for other folders.

#include "formats/blocks.h"

namespace fakequant {

// Replaces each value by level x scale: the level that `rounding` takes for value x inverse, clamped to [-1, 1]. A
// block without a scale becomes zeros; NaN stays. What a level restores, but for F32's rounding, stays under rtz and sr.
void round_levels(LevelTable table, Rounding rounding, const Blocks& blocks);

}  // namespace fakequant
