#include "analysis/distinct_counter.h"

#include <bit>
#include <utility>

namespace fakequant {
namespace {

constexpr size_t kFirstSlots = 256;

// Fibonacci hashing: the top bits of the product depend on every bit of the pattern.
size_t first_slot(uint32_t bits, size_t slot_count) {
  return (bits * 0x9e3779b1u) >> (33 - std::bit_width(slot_count));
}

}  // namespace

void DistinctCounter::add(std::span<const float> values) {
  if (overflowed_ || values.empty()) return;
  uint32_t last = ~std::bit_cast<uint32_t>(values[0]);
  for (const float value : values) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    if (bits == last) continue;
    last = bits;
    insert(bits);
    if (overflowed_) return;
  }
}

void DistinctCounter::merge(const DistinctCounter& other) {
  if (overflowed_) return;
  if (other.overflowed_) return overflow();
  if (other.has_zero_) insert(0);
  for (const uint32_t bits : other.slots_) {
    if (bits != 0) insert(bits);
    if (overflowed_) return;
  }
}

std::optional<uint64_t> DistinctCounter::count() const {
  if (overflowed_) return std::nullopt;
  return used_ + (has_zero_ ? 1 : 0);
}

void DistinctCounter::insert(uint32_t bits) {
  if (bits == 0) {
    has_zero_ = true;
  } else {
    if (slots_.empty()) slots_.resize(kFirstSlots);
    size_t slot = first_slot(bits, slots_.size());
    while (slots_[slot] != 0) {
      if (slots_[slot] == bits) return;
      slot = (slot + 1) & (slots_.size() - 1);
    }
    slots_[slot] = bits;
    if (++used_ * 2 > slots_.size()) grow();
  }
  if (used_ + (has_zero_ ? 1 : 0) > kLimit) overflow();
}

void DistinctCounter::grow() {
  const std::vector<uint32_t> old = std::exchange(slots_, std::vector<uint32_t>(slots_.size() * 2));
  for (const uint32_t bits : old) {
    if (bits == 0) continue;
    size_t slot = first_slot(bits, slots_.size());
    while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = bits;
  }
}

void DistinctCounter::overflow() {
  overflowed_ = true;
  std::vector<uint32_t>().swap(slots_);
}

}  // namespace fakequant
