#pragma once
// How many different bit patterns there are. Knows nothing of what they mean.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace fakequant {

// Counts distinct F32 patterns exactly up to kLimit; beyond that only "more" is known, and nothing is kept or
// spent. Starts at 1 KiB and grows to at most 512 KiB. Merging is the exact union in any order.
class DistinctCounter {
 public:
  static constexpr uint64_t kLimit = 65536;

  void add(std::span<const float> values);
  void merge(const DistinctCounter& other);

  // Nothing: more than kLimit. +0 and -0 are two patterns, NaNs differ by payload.
  std::optional<uint64_t> count() const;

 private:
  void insert(uint32_t bits);
  void grow();
  void overflow();

  std::vector<uint32_t>
      slots_;          // open addressing, a power of two; 0 is a free slot, the pattern 0 is has_zero_
  uint64_t used_ = 0;  // occupied slots
  bool has_zero_ = false;
  bool overflowed_ = false;
};

}  // namespace fakequant
