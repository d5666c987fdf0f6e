#pragma once
// How often each 16-bit code occurs: everything about an F16 or BF16 tensor follows from one pass of
// counting.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "analysis/half_bits.h"
#include "analysis/precision.h"
#include "analysis/value_statistics.h"

namespace fakequant {

// Exact counts of all 65,536 codes, at most 2^64 - 1 values. 512 KiB, and as much again once merged or
// spilled: keep one per thread. Merging is exact in any order, so everything derived has the same bits for
// any number of threads.
class CodeCounts {
 public:
  static constexpr size_t kCodeCount = 65536;

  // The counters in use hold 32 bits and are emptied into wider ones after `spill_after` values (1 .. 2^32 -
  // 1, checked); tests make it small.
  explicit CodeCounts(uint64_t spill_after = std::numeric_limits<uint32_t>::max());

  void add(std::span<const uint16_t> codes);
  void merge(const CodeCounts& other);
  void clear();

  uint64_t count_of(uint16_t code) const;

  // The statistics of the values that the codes stand for; subnormals are those of `type`. Counts and
  // extremes equal ValueStatistics::add of the decoded values exactly, moments up to rounding.
  ValueStatistics statistics(HalfType type) const;
  // Exactly PrecisionNeeds::add of the decoded values.
  PrecisionNeeds precision_needs(HalfType type) const;
  uint64_t distinct_count() const;

 private:
  static constexpr size_t kTableCount = 2;
  void spill();

  uint64_t spill_after_;
  // kTableCount whole tables, one behind the other; values go to them in turn.
  std::vector<uint32_t> tables_;
  std::vector<uint64_t> spilled_;  // empty until the first spill
  uint64_t pending_ = 0;           // values in tables_
};

}  // namespace fakequant
