#include "analysis/scale_fit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "analysis/precision.h"
#include "base/error.h"
#include "formats/codes.h"
#include "formats/round_to_grid.h"

namespace fakequant {

namespace {

// 2^exponent, within the normals of double.
double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

struct Magnitudes {
  double low;
  double high;
};

// What may have become this value: half the storage type's spacing to both sides, below a power of two half
// of that.
Magnitudes magnitudes_of(const ProductRounding& rounding, float value) {
  const FloatGrid& storage = rounding.storage;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int exponent = static_cast<int>((bits >> 23) & 0xFF) - 127;
  const double half_step =
      power_of_two(std::max(exponent, storage.min_exponent()) - storage.mantissa_bits - 1);
  const bool narrow_below = (bits & 0x7FFFFF) == 0 && exponent > storage.min_exponent();
  const double magnitude = std::abs(double{value});
  const double error = magnitude * rounding.relative_error;
  return {magnitude - (narrow_below ? half_step / 2 : half_step) - error, magnitude + half_step + error};
}

bool are_whole_without_gaps(std::span<const double> ascending) {
  for (size_t i = 0; i < ascending.size(); ++i) {
    if (ascending[i] != std::nearbyint(ascending[i]) || ascending[i] - ascending[0] != static_cast<double>(i))
      return false;
  }
  return true;
}

void round_to_storage(const FloatGrid& storage, std::span<float> values) {
  if (!(storage == kF32)) round_to_grid(storage, Rounding::rne, Overflow::infinite, values);
}

std::vector<double> positive_only(const CodeLevels& levels) {
  std::vector<double> positive;
  std::copy_if(levels.values().begin(), levels.values().end(), std::back_inserter(positive),
               [](double level) { return level > 0; });
  return positive;
}

CodeLevels products_of(const CodeLevels& codes, std::span<const double> scales) {
  std::vector<double> products;
  for (double scale : scales) {
    for (double code : codes.values()) products.push_back(code * scale);
  }
  return CodeLevels(std::move(products));
}

}  // namespace

CodeLevels::CodeLevels(std::vector<double> values) : values_(std::move(values)) {
  for (double& value : values_) {
    FQ_CHECK(std::isfinite(value));
    value += 0.0;  // no -0
  }
  std::sort(values_.begin(), values_.end());
  values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
  FQ_CHECK(std::binary_search(values_.begin(), values_.end(), 0.0));
  if (!are_whole_without_gaps(values_)) {
    for (size_t i = 1; i < values_.size(); ++i) middles_.push_back((values_[i - 1] + values_[i]) / 2);
  }
  largest_ = std::max(values_.back(), -values_.front());
  const double half = largest_ / 2;
  for (double value : values_) {
    if (value >= half && value > 0) outer_positive_.insert(outer_positive_.begin(), value);
    if (value <= -half && value < 0) outer_negative_.push_back(value);
  }
}

CodeLevels CodeLevels::of(const BlockFormat& format) {
  std::vector<double> values;
  for (const Code& code : codes_of(format)) {
    if (std::isfinite(code.value)) values.push_back(code.value);
  }
  CodeLevels levels(std::move(values));
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid)) levels.floats_ = *floats;
  return levels;
}

CodeLevels CodeLevels::whole_numbers(int lowest, int highest) {
  std::vector<double> values;
  for (int value = lowest; value <= highest; ++value) values.push_back(value);
  return CodeLevels(std::move(values));
}

CodeLevels CodeLevels::mirrored() const {
  std::vector<double> values = values_;
  for (double& value : values) value = -value;
  return CodeLevels(std::move(values));
}

double CodeLevels::nearest(double quotient) const {
  constexpr double kWhole = 0x1.8p52;  // adding it leaves no bits below one
  if (floats_) {
    const double magnitude = std::abs(quotient);
    const int exponent = static_cast<int>(std::bit_cast<uint64_t>(magnitude) >> 52) - 1023;
    const int step = std::max(exponent, floats_->min_exponent()) - floats_->mantissa_bits;
    const double steps = (magnitude * power_of_two(-step) + kWhole) - kWhole;
    return std::copysign(std::min(steps * power_of_two(step), largest_), quotient);
  }
  if (!middles_.empty()) {
    auto above = std::lower_bound(middles_.begin(), middles_.end(), quotient);
    return values_[static_cast<size_t>(above - middles_.begin())];
  }
  double clamped = std::min(std::max(quotient, values_.front()), values_.back());
  return (clamped + kWhole) - kWhole;
}

bool CodeLevels::within(const CodeLevels& other) const {
  return std::includes(other.values_.begin(), other.values_.end(), values_.begin(), values_.end());
}

ProductRounding one_product(const FloatGrid& storage) {
  return {storage, storage == kF32 ? 0 : 0x1p-24};
}

ProductRounding two_products(const FloatGrid& storage) {
  return {storage, storage == kF32 ? 0x1p-24 : 0x1p-23};
}

void ScaleInterval::cut(const ScaleInterval& other) {
  low = std::max(low, other.low);
  high = std::min(high, other.high);
}

ScaleInterval scales_between(const ProductRounding& rounding, float value, double level) {
  const Magnitudes product = magnitudes_of(rounding, value);
  return {product.low / std::abs(level), product.high / std::abs(level)};
}

ScaleInterval scales_for(const CodeLevels& levels, const ProductRounding& rounding, ScaleInterval start,
                         std::span<const float> values) {
  constexpr ScaleInterval kNone{1, 0};
  constexpr int kPasses = 3;
  ScaleInterval interval = start;
  if (!(interval.low > 0) || !interval.possible()) return kNone;
  // A code is certain when both ends of the interval give it. What the certain ones leave decides the others.
  for (int pass = 0; pass < kPasses; ++pass) {
    const bool last = pass == kPasses - 1;
    const double middle = interval.low + (interval.high - interval.low) / 2;
    const double most = 1 / (last ? middle : interval.low);
    const double least = 1 / (last ? middle : interval.high);
    bool uncertain = false;
    for (float value : values) {
      if (value == 0) continue;
      const double level = levels.nearest(value * most);
      if (level != levels.nearest(value * least)) {
        uncertain = true;
        continue;
      }
      if (level == 0) return kNone;
      const Magnitudes product = magnitudes_of(rounding, value);
      const double code = std::abs(level);
      if (interval.low * code >= product.low && interval.high * code <= product.high) continue;
      interval.cut({product.low / code, product.high / code});
      if (!interval.possible()) return kNone;
    }
    if (!uncertain) break;
  }
  return interval;
}

std::vector<float> scales_in(const ScaleInterval& interval, const FloatGrid& scale_grid) {
  auto middle = static_cast<float>(interval.low + (interval.high - interval.low) / 2);
  round_to_grid(scale_grid, Rounding::rne, Overflow::infinite, {&middle, 1});
  std::vector<float> scales;
  const uint32_t step = uint32_t{1} << (23 - scale_grid.mantissa_bits);
  for (int offset : {0, 1, -1, 2, -2, 3, -3, 4, -4}) {
    auto scale = std::bit_cast<float>(std::bit_cast<uint32_t>(middle) + static_cast<uint32_t>(offset) * step);
    float held = scale;
    round_to_grid(scale_grid, Rounding::rne, Overflow::infinite, {&held, 1});
    if (std::isfinite(scale) && scale > 0 && held == scale && scale >= interval.low && scale <= interval.high)
      scales.push_back(scale);
  }
  return scales;
}

bool restores(const CodeLevels& levels, const FloatGrid& storage, float scale, std::span<const float> values,
              std::vector<float>& scratch) {
  constexpr size_t kRun = 1024;
  const double inverse = 1 / double{scale};
  for (size_t first = 0; first < values.size(); first += kRun) {
    std::span<const float> run = values.subspan(first, std::min(kRun, values.size() - first));
    scratch.resize(run.size());
    for (size_t i = 0; i < run.size(); ++i)
      scratch[i] = static_cast<float>(levels.nearest(run[i] * inverse)) * scale;
    round_to_storage(storage, scratch);
    if (!std::equal(run.begin(), run.end(), scratch.begin())) return false;
  }
  return true;
}

float extreme_of(std::span<const float> values) {
  float extreme = 0;
  for (float value : values) {
    if (std::abs(value) > std::abs(extreme)) extreme = value;
  }
  return extreme;
}

ScaledLevels::ScaledLevels(CodeLevels levels, const FloatGrid& scale_grid, bool either_sign)
    : scale_grid_(scale_grid) {
  forms_.push_back(std::move(levels));
  if (either_sign) forms_.push_back(forms_[0].mirrored());
}

bool ScaledLevels::hold(const FloatGrid& storage, std::span<const float> values,
                        std::vector<float>& scratch) const {
  const float extreme = extreme_of(values);
  if (extreme == 0) return true;
  const ProductRounding rounding = one_product(storage);
  for (const CodeLevels& levels : forms_) {
    for (double level : levels.outer(extreme < 0)) {
      ScaleInterval interval = scales_for(levels, rounding, scales_between(rounding, extreme, level), values);
      if (!interval.possible()) continue;
      for (float scale : scales_in(interval, scale_grid_)) {
        if (restores(levels, storage, scale, values, scratch)) return true;
      }
    }
  }
  return false;
}

bool fit_power_of_two_scale(const BlockFormat& format, std::span<const float> values) {
  constexpr int kLeast = -127;
  constexpr int kMost = 127;
  PrecisionNeeds needs;
  needs.add(values);
  if (needs.has_nan || needs.has_infinity) return false;
  if (needs.max_magnitude_bits == 0) return true;
  const auto* floats = std::get_if<FloatGrid>(&format.grid);
  if (floats != nullptr && needs.significand_bits > floats->mantissa_bits + 1) return false;
  // The largest scale whose smallest element divides every value: it reaches highest.
  const int step_exponent = floats != nullptr ? floats->min_subnormal_exponent() : -6;
  const int exponent = std::min(needs.lowest_bit_exponent - step_exponent, kMost);
  if (exponent < kLeast) return false;
  const double scale = power_of_two(exponent);
  const double largest = floats != nullptr ? floats->max_value() : 127.0 / 64;
  const double lowest = floats != nullptr ? -largest : -2;
  return std::all_of(values.begin(), values.end(),
                     [&](double value) { return value <= largest * scale && value >= lowest * scale; });
}

TwoLevelScales::TwoLevelScales()
    : codes_(CodeLevels::of({.grid = kE2M1})),
      block_scales_(positive_only(CodeLevels::of({.grid = kE4M3}))),
      products_(products_of(codes_, block_scales_)) {}

bool TwoLevelScales::restore_block(const FloatGrid& storage, float tensor_scale,
                                   std::span<const float> values, std::vector<float>& scratch) const {
  const float extreme = extreme_of(values);
  if (extreme == 0) return true;
  const ProductRounding rounding = two_products(storage);
  for (double code : codes_.values()) {
    if (!(code > 0)) continue;
    ScaleInterval wanted = scales_between(rounding, extreme, code * tensor_scale);
    auto first = std::lower_bound(block_scales_.begin(), block_scales_.end(), wanted.low);
    for (auto scale = first; scale != block_scales_.end() && *scale <= wanted.high; ++scale) {
      if (restores(codes_, storage, static_cast<float>(*scale) * tensor_scale, values, scratch)) return true;
    }
  }
  return false;
}

bool TwoLevelScales::restore(const FloatGrid& storage, float tensor_scale, std::span<const float> values,
                             std::vector<float>& scratch) const {
  FQ_CHECK(values.size() % kBlock == 0);
  for (size_t first = 0; first < values.size(); first += kBlock) {
    if (!restore_block(storage, tensor_scale, values.subspan(first, kBlock), scratch)) return false;
  }
  return true;
}

}  // namespace fakequant
