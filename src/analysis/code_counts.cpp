#include "analysis/code_counts.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace fakequant {
namespace {

struct CodeOfType {
  uint32_t magnitude;  // F32 pattern without sign
  bool low16_zero;
  bool subnormal;  // in the 16-bit type
  double value;
};

CodeOfType decode(HalfType type, uint16_t code) {
  const uint32_t bits = f32_bits_of(type, code);
  const bool no_exponent = (code & (type == HalfType::f16 ? 0x7c00u : 0x7f80u)) == 0;
  return {bits & 0x7fffffffu, (bits & 0xffffu) == 0, no_exponent && (code & 0x7fffu) != 0,
          static_cast<double>(std::bit_cast<float>(bits))};
}

void count_code(const CodeOfType& code, uint64_t n, ValueStatistics& s) {
  s.count += n;
  if (code.low16_zero) s.low16_zero_count += n;
  if (code.subnormal) s.subnormal_count += n;
  if (code.magnitude > 0x7f800000u) {
    s.nan_count += n;
  } else if (code.magnitude == 0x7f800000u) {
    s.inf_count += n;
  } else {
    if (code.magnitude == 0) s.zero_count += n;
    if (code.magnitude >= 0x477ff000u) s.beyond_f16_count += n;  // 65520
    if (code.magnitude < 0x38800000u && code.magnitude != 0) s.below_f16_normal_count += n;
    s.min_value = std::min(s.min_value, code.value);
    s.max_value = std::max(s.max_value, code.value);
  }
}

// Neumaier's sum: as if added in twice the precision. 65,536 terms of which one half cancels the other need
// it.
class CompensatedSum {
 public:
  void add(double term) {
    const double next = sum_ + term;
    lost_ += std::fabs(sum_) >= std::fabs(term) ? (sum_ - next) + term : (term - next) + sum_;
    sum_ = next;
  }
  double value() const { return sum_ + lost_; }

 private:
  double sum_ = 0;
  double lost_ = 0;
};

}  // namespace

CodeCounts::CodeCounts(uint64_t spill_after) : spill_after_(spill_after), tables_(kTableCount * kCodeCount) {
  FQ_CHECK(spill_after > 0 && spill_after <= std::numeric_limits<uint32_t>::max());
}

void CodeCounts::add(std::span<const uint16_t> codes) {
  while (!codes.empty()) {
    if (pending_ == spill_after_) spill();
    const auto part = codes.first(std::min<uint64_t>(codes.size(), spill_after_ - pending_));
    // Neighbours go to different tables: a repeated code need not wait for its own counter.
    uint32_t* const first = tables_.data();
    uint32_t* const second = first + kCodeCount;
    size_t i = 0;
    for (; i + 2 <= part.size(); i += 2) {
      ++first[part[i]];
      ++second[part[i + 1]];
    }
    if (i < part.size()) ++first[part[i]];
    pending_ += part.size();
    codes = codes.subspan(part.size());
  }
}

void CodeCounts::merge(const CodeCounts& other) {
  spill();
  for (size_t code = 0; code < kCodeCount; ++code)
    spilled_[code] += other.count_of(static_cast<uint16_t>(code));
}

void CodeCounts::clear() {
  std::fill(tables_.begin(), tables_.end(), 0u);
  spilled_.clear();
  pending_ = 0;
}

uint64_t CodeCounts::count_of(uint16_t code) const {
  uint64_t count = spilled_.empty() ? 0 : spilled_[code];
  for (size_t table = 0; table < kTableCount; ++table) count += tables_[table * kCodeCount + code];
  return count;
}

void CodeCounts::spill() {
  spilled_.resize(kCodeCount);
  for (size_t i = 0; i < tables_.size(); ++i) spilled_[i % kCodeCount] += tables_[i];
  std::fill(tables_.begin(), tables_.end(), 0u);
  pending_ = 0;
}

ValueStatistics CodeCounts::statistics(HalfType type) const {
  struct Weighted {
    double value, count;
  };
  ValueStatistics result;
  std::vector<Weighted> finite;
  for (size_t i = 0; i < kCodeCount; ++i) {
    const uint64_t n = count_of(static_cast<uint16_t>(i));
    if (n == 0) continue;
    const CodeOfType code = decode(type, static_cast<uint16_t>(i));
    count_code(code, n, result);
    if (code.magnitude < 0x7f800000u) finite.push_back({code.value, static_cast<double>(n)});
  }
  if (finite.empty()) return result;
  const auto total = static_cast<double>(result.finite_count());
  CompensatedSum sum, s1, m2, m3, m4;
  for (const Weighted& w : finite) sum.add(w.count * w.value);
  const double mean = sum.value() / total;
  for (const Weighted& w : finite) {
    const double d = w.value - mean;
    const double square = d * d;
    s1.add(w.count * d);
    m2.add(w.count * square);
    m3.add(w.count * (square * d));
    m4.add(w.count * (square * square));
  }
  result.mean_value = mean + s1.value() / total;  // s1 is what rounding left in the mean
  result.m2 = m2.value();
  result.m3 = m3.value();
  result.m4 = m4.value();
  return result;
}

PrecisionNeeds CodeCounts::precision_needs(HalfType type) const {
  std::vector<float> values;
  for (size_t i = 0; i < kCodeCount; ++i) {
    const auto code = static_cast<uint16_t>(i);
    if (count_of(code) > 0) values.push_back(std::bit_cast<float>(f32_bits_of(type, code)));
  }
  PrecisionNeeds needs;
  needs.add(values);
  return needs;
}

uint64_t CodeCounts::distinct_count() const {
  uint64_t distinct = 0;
  for (size_t i = 0; i < kCodeCount; ++i) distinct += count_of(static_cast<uint16_t>(i)) > 0 ? 1 : 0;
  return distinct;
}

}  // namespace fakequant
