#pragma once
// All that inspect says about the values of one tensor, from float rows or from counts of 16-bit codes. Knows
// no tensors.

#include <cstdint>
#include <optional>
#include <span>

#include "analysis/code_counts.h"
#include "analysis/distinct_counter.h"
#include "analysis/precision.h"
#include "analysis/value_statistics.h"

namespace fakequant {

struct ValueFacts {
  ValueStatistics statistics;
  PrecisionNeeds needs;
  std::optional<uint64_t> distinct_count;  // exact to 65,536; nothing: more
  EffectivePrecision precision = EffectivePrecision::empty;
};

// Gathers the facts of float values piece by piece. Not for several threads at once: cut a tensor into the
// same pieces whatever the number of threads, give each piece its own survey and merge them in the order of
// the pieces; then all facts have the same bits. (Everything but the moments is exact in any order and for
// any pieces.)
class ValueSurvey {
 public:
  void add(std::span<const float> values);
  void merge(const ValueSurvey& other);
  ValueFacts facts() const;

 private:
  ValueStatistics statistics_;
  PrecisionNeeds needs_;
  DistinctCounter distinct_;
};

// The same facts from codes: no value is decoded more than once, however many there are.
ValueFacts facts_of_codes(const CodeCounts& counts, HalfType type);

}  // namespace fakequant
