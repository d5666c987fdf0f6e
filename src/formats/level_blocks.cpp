#include "formats/level_blocks.h"

#include <cmath>

#include "formats/step_function.h"

namespace fakequant {

namespace {

using namespace kernel;

// From quotients to levels: the nearest, or the one at or below the quotient where rounding needs both neighbours.
StepFunction level_steps(LevelTable table, Rounding rounding) {
  std::span<const float, 16> levels = levels_of(table);
  std::span<const float, 15> bounds = level_bounds_of(table);
  StepFunction steps;
  std::copy(levels.begin(), levels.end(), steps.values.begin());
  for (size_t i = 0; i < steps.thresholds.size(); ++i) {
    float threshold = chooses_between_neighbours(rounding) ? levels[i + 1] : bounds[i];
    // To lie above the number before a threshold is to reach the threshold.
    bool reach = chooses_between_neighbours(rounding) || (rounding == Rounding::rna && threshold > 0);
    steps.thresholds[i] = reach ? std::nextafter(threshold, -INFINITY) : threshold;
  }
  return steps;
}

// The most values of which the levels are looked up together.
constexpr size_t kLevelsAtOnce = 1024;

struct LevelRun {
  float quotients[kLevelsAtOnce];
  float levels[kLevelsAtOnce];   // the nearest ones, or the lower neighbours
  float above[kLevelsAtOnce];    // the upper neighbours
  float per_gap[kLevelsAtOnce];  // 1 / the distance between them
};

FQ_VECTORIZED void make_quotients(const Blocks& blocks, float* quotients) {
  for (size_t b = 0; b < blocks.count; ++b) {
    const BlockScale s = blocks.scales.at(blocks.first + b);
    const float* values = blocks.values + b * blocks.length;
    prefetch_ahead(blocks, values);
    for (size_t i = 0; i < blocks.length; ++i) {
      float quotient = values[i] * s.inverse;
      quotient = choose(quotient < -1.0f, -1.0f, quotient);
      quotients[b * blocks.length + i] = choose(quotient > 1.0f, 1.0f, quotient);
    }
  }
}

template <Rounding rounding>
FQ_INLINE float choose_level(float quotient, float below, float above, float per_gap, uint32_t word) {
  if constexpr (rounding == Rounding::rtz) return choose(quotient < 0.0f && quotient != below, above, below);
  return choose(random_step(1.0f, (quotient - below) * per_gap * 0x1p31f, word) > 0.0f, above, below);
}

template <Rounding rounding>
FQ_INLINE void restore_levels(const Blocks& blocks, const LevelRun& run) {
  for (size_t b = 0; b < blocks.count; ++b) {
    const float scale = blocks.scales.scale[blocks.first + b];
    const size_t first = b * blocks.length;
    float* values = blocks.values + first;
    if (!(scale > 0)) {
      make_zeros(values, blocks.length);
      continue;
    }
    for (size_t i = 0; i < blocks.length; ++i) {
      const float value = values[i];
      const float level = run.levels[first + i];
      if constexpr (rounding == Rounding::rne) {
        values[i] = level * scale;
        continue;
      }
      const float quotient = run.quotients[first + i];
      const float above = run.above[first + i];
      const uint32_t word = rounding == Rounding::sr ? blocks.words[first + i] : 0;
      const float nearest = choose(quotient - level < above - quotient, level, above) * scale;
      const float chosen =
          choose_level<rounding>(quotient, level, above, run.per_gap[first + i], word) * scale;
      values[i] = choose(value == value, unless_restored(nearest, value, chosen), level);
    }
  }
}

FQ_VECTORIZED void restore_from_levels(Rounding rounding, const Blocks& blocks, const LevelRun& run) {
  switch (rounding) {
    case Rounding::rne:
    case Rounding::rna:
      return restore_levels<Rounding::rne>(blocks, run);
    case Rounding::rtz:
      return restore_levels<Rounding::rtz>(blocks, run);
    case Rounding::sr:
      return restore_levels<Rounding::sr>(blocks, run);
  }
}

// Several short blocks or a part of a long one, at most kLevelsAtOnce values: looking levels up needs no scale.
void round_level_run(const StepFunction& steps, Rounding rounding, const Blocks& blocks) {
  LevelRun run;
  const size_t count = blocks.count * blocks.length;
  make_quotients(blocks, run.quotients);
  if (chooses_between_neighbours(rounding)) {
    steps.apply(run.quotients, run.levels, run.above, run.per_gap, count);
  } else {
    steps.apply(run.quotients, run.levels, count);
  }
  restore_from_levels(rounding, blocks, run);
}

}  // namespace

void round_levels(LevelTable table, Rounding rounding, const Blocks& blocks) {
  const StepFunction steps = level_steps(table, rounding);
  for_each_part(blocks, kLevelsAtOnce,
                [&](const Blocks& part, size_t) { round_level_run(steps, rounding, part); });
}

}  // namespace fakequant
