// Every format with a scale, computed a second time: one value after the other, from the sentences of
// docs/formats.md and scaled_blocks.h.

#include <gtest/gtest.h>

#include "formats/grid_oracle.h"
#include "formats/scaled_blocks.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

float whole(float quotient, Rounding rounding) {
  if (rounding == Rounding::rne) return std::nearbyint(quotient);
  return rounding == Rounding::rna ? std::round(quotient) : std::trunc(quotient);
}

// What one quotient becomes, in units of the scale.
class ElementOracle {
 public:
  ElementOracle(const BlockFormat& format, float lowest, float highest)
      : format_(format), lowest_(lowest), highest_(highest), grid_(grid_or_any(format)) {}

  float round(long double quotient, Rounding rounding) const {
    if (std::holds_alternative<FloatGrid>(format_.grid))
      return grid_.round(quotient, rounding, Overflow::saturate);
    if (std::holds_alternative<IntegerGrid>(format_.grid))
      return std::clamp(whole(static_cast<float>(quotient), rounding), lowest_, highest_);
    return level(static_cast<float>(quotient), rounding);
  }

 private:
  static GridOracle grid_or_any(const BlockFormat& format) {
    const auto* grid = std::get_if<FloatGrid>(&format.grid);
    return GridOracle(grid != nullptr ? *grid : kE2M1);
  }

  static float level(float quotient, Rounding rounding) {
    auto levels = levels_of(LevelTable::nf4);
    auto bounds = level_bounds_of(LevelTable::nf4);
    size_t i = 0;
    if (rounding == Rounding::rtz) {
      // Ascending: up to zero the first level that is not below, above it the last that is not above.
      while (i < 15 && levels[i] < quotient) ++i;
      if (quotient > 0 && levels[i] > quotient) --i;
      return levels[i];
    }
    while (i < 15 &&
           (quotient > bounds[i] || (rounding == Rounding::rna && quotient == bounds[i] && quotient > 0)))
      ++i;
    return levels[i];
  }

  const BlockFormat& format_;
  float lowest_;
  float highest_;
  GridOracle grid_;
};

struct Scale {
  float scale = 0;
  bool nan = false;
  float lowest = 0;
  float highest = 0;
};

float stored(float scale, ScaleType type) {
  if (type == ScaleType::f32) return scale;
  return GridOracle(type == ScaleType::f16 ? kF16 : kBf16).round(scale, Rounding::rne, Overflow::saturate);
}

Scale power_of_two_scale(const BlockFormat& format, std::span<const float> values) {
  long double amax = 0;
  for (float value : values) {
    if (!std::isfinite(value)) return {.nan = true};
    amax = std::max(amax, std::fabs(static_cast<long double>(value)));
  }
  const auto* grid = std::get_if<FloatGrid>(&format.grid);
  const int top = grid != nullptr ? std::ilogb(GridOracle(*grid).max()) : 0;
  const int mantissa_bits = grid != nullptr ? grid->mantissa_bits : 6;
  const float max = grid != nullptr ? static_cast<float>(GridOracle(*grid).max()) : 127.0f / 64;
  if (amax == 0) return {.scale = 1};
  int exponent = 0;
  switch (format.scale_rule) {
    case ScaleRule::floor:
      exponent = std::ilogb(amax) - top;
      break;
    case ScaleRule::ceil:
      exponent = std::ilogb(amax) - top;
      if (amax != std::ldexp(1.0L, std::ilogb(amax))) ++exponent;
      break;
    case ScaleRule::rceil: {
      long double quotient = static_cast<float>(amax) * (1.0f / max);
      exponent = std::ilogb(std::max(quotient, 0x1p-140L));
      if (quotient > std::ldexp(1.0L, exponent)) ++exponent;
      break;
    }
    case ScaleRule::even: {
      // Half a last place of an element with amax's exponent; F32's own subnormals all have the exponent
      // -126.
      int binade = std::max(std::ilogb(amax), -126);
      long double sum = amax + std::ldexp(1.0L, binade - mantissa_bits - 1);
      if (sum >= 0x1p128L) return {.nan = true};
      exponent = std::ilogb(sum) - top;
      break;
    }
  }
  return {.scale = std::ldexp(1.0f, std::clamp(exponent, -127, 127)), .lowest = -128, .highest = 127};
}

Scale own_scale(const BlockFormat& format, const ScaleRange& range) {
  Scale result;
  if (const auto* integers = std::get_if<IntegerGrid>(&format.grid)) {
    auto codes = static_cast<float>(1 << integers->bits);
    float half = codes / 2 - 1;
    float scale =
        integers->scheme == IntegerScheme::restricted ? range.amax / half : range.amax / ((codes - 1) / 2);
    if (integers->scheme == IntegerScheme::asym) {
      float width = range.max - range.min;
      scale = std::isinf(width) ? range.max / (codes - 1) - range.min / (codes - 1) : width / (codes - 1);
    }
    result = {.scale = stored(scale, format.scale_type), .lowest = -half, .highest = half};
    if (integers->scheme == IntegerScheme::full) result.lowest = -half - 1;
    if (integers->scheme == IntegerScheme::asym && result.scale > 0) {
      float zero_point = std::clamp(std::nearbyint(-range.min / result.scale), 0.0f, codes - 1);
      result.lowest = -zero_point;
      result.highest = codes - 1 - zero_point;
    }
    return result;
  }
  float max = 1;
  if (const auto* grid = std::get_if<FloatGrid>(&format.grid))
    max = static_cast<float>(GridOracle(*grid).max());
  result.scale = stored(range.amax / max, format.scale_type);
  return result;
}

float nvfp4_scale(float tensor_amax, float block_amax) {
  float tensor_scale = tensor_amax / (6.0f * 448.0f);
  if (!(6.0f * tensor_scale > 0)) return 0;
  float block_scale = std::min(block_amax / (6.0f * tensor_scale), 448.0f);
  return GridOracle(kE4M3).round(block_scale, Rounding::rne, Overflow::saturate) * tensor_scale;
}

std::vector<float> restored_by_definition(const BlockFormat& format, std::span<const float> values,
                                          const ScaleRange& tensor) {
  const bool power = format.scale_type == ScaleType::e8m0;
  const bool two_levels = format.scale_type == ScaleType::e4m3_tensor;
  ScaleRange range = format.extent == ScaleExtent::tensor ? tensor : scale_range(values);
  Scale scale = power ? power_of_two_scale(format, values) : Scale{};
  if (two_levels) scale.scale = nvfp4_scale(tensor.amax, range.amax);
  if (!power && !two_levels) scale = own_scale(format, range);
  const ElementOracle element(format, scale.lowest, scale.highest);
  const bool fixed_point = power && std::holds_alternative<IntegerGrid>(format.grid);
  const bool levels = std::holds_alternative<LevelGrid>(format.grid);
  const float inverse = 1.0f / (levels ? std::max(scale.scale, 1e-38f) : scale.scale);
  std::vector<float> found;
  for (float value : values) {
    if (std::isnan(value) || scale.nan) {
      found.push_back(kNan);
      continue;
    }
    if (!(scale.scale > 0)) {
      found.push_back(0.0f);
      continue;
    }
    long double quotient = power ? value / static_cast<long double>(scale.scale) : value * inverse;
    if (two_levels || (!power && std::isinf(inverse))) quotient = value / scale.scale;
    if (fixed_point) quotient *= 64;
    auto restored_under = [&](Rounding rounding) {
      float code = element.round(quotient, rounding);
      long double product = (fixed_point ? code / 64 : code) * static_cast<long double>(scale.scale);
      auto result = static_cast<float>(product);
      if (!power) result = std::clamp(result, -kFloatMax, kFloatMax);
      return std::holds_alternative<FloatGrid>(format.grid) ? result : result + 0.0f;
    };
    float nearest = restored_under(Rounding::rne);
    // Two units in the last place: next to a code rtz takes that code.
    const float unit = std::nextafter(std::fabs(value), INFINITY) - std::fabs(value);
    const bool at_code =
        std::fabs(static_cast<long double>(nearest) - value) <= 2 * static_cast<long double>(unit);
    found.push_back(format.rounding == Rounding::rtz && at_code ? nearest : restored_under(format.rounding));
  }
  return found;
}

TEST(ScaledBlocks, AreWhatTheirDefinitionSays) {
  constexpr size_t kRow = 64;
  std::vector<float> wild = wild_blocks(kRow, 64, 1);
  // Some with a NaN or an Inf, and what has no finite value but zero.
  for (size_t b = 0; b < 64; b += 9) wild[b * kRow + b % kRow] = b % 2 == 0 ? kNan : -kInf;
  for (size_t i = 0; i < kRow; ++i) wild[10 * kRow + i] = i == 3 ? kInf : 0.0f;
  for (const std::string& name : every_own_format()) {
    const BlockFormat format = own_format(name);
    if (!format.has_scale() || format.rounding == Rounding::sr) continue;
    auto block = static_cast<size_t>(format.extent == ScaleExtent::group ? format.group_values : kRow);
    // For scales of a tensor every row is a tensor.
    for (size_t first = 0; first < wild.size(); first += kRow) {
      std::span<const float> row(&wild[first], kRow);
      std::vector<float> wanted;
      for (size_t b = 0; b < kRow; b += block) {
        std::vector<float> part = restored_by_definition(format, row.subspan(b, block), scale_range(row));
        wanted.insert(wanted.end(), part.begin(), part.end());
      }
      ASSERT_TRUE(same_values(restored(format, kRow, {row.begin(), row.end()}), wanted))
          << name << " row " << first / kRow;
    }
  }
}

}  // namespace
}  // namespace fakequant
