#pragma once
// Whether values are codes of a grid times a scale, though each product was rounded to a storage type. Finds
// the scales; knows no tensors.

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "formats/block_format.h"

namespace fakequant {

// The finite values that codes stand for, in units of the scale: ascending, distinct, 0 among them.
class CodeLevels {
 public:
  // `values` in any order; finite, with 0 (checked).
  explicit CodeLevels(std::vector<double> values);

  // Those of a format of at most kMostListedBits bits per code.
  static CodeLevels of(const BlockFormat& format);
  static CodeLevels whole_numbers(int lowest, int highest);
  CodeLevels mirrored() const;

  std::span<const double> values() const { return values_; }
  // The level nearest to a quotient; halfway between two it is either.
  double nearest(double quotient) const;
  // What the value of largest magnitude may be a code of, largest first: the levels of its sign from half of
  // the largest magnitude on. A smaller one gives a scale that, halved, allows no less.
  std::span<const double> outer(bool negative) const { return negative ? outer_negative_ : outer_positive_; }
  // Whether every level of these is one of `other`.
  bool within(const CodeLevels& other) const;

 private:
  std::vector<double> values_;
  // One of three ways to the nearest: whole numbers without gaps are rounded; so are the values of a float
  // grid in their binade; others are searched among the values between neighbours.
  std::optional<FloatGrid> floats_;
  double largest_;
  std::vector<double> middles_;
  std::vector<double> outer_positive_;
  std::vector<double> outer_negative_;
};

// How products became values: rounded to `storage`, the last of steps of which the others erred by up to
// `relative_error`.
struct ProductRounding {
  FloatGrid storage;
  double relative_error;
};

// code x scale in F32, rounded to `storage`.
ProductRounding one_product(const FloatGrid& storage);
// code x (block scale x tensor scale), each product in F32, rounded to `storage`.
ProductRounding two_products(const FloatGrid& storage);

// Positive scales that are still possible.
struct ScaleInterval {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();

  bool possible() const { return low <= high; }
  void cut(const ScaleInterval& other);
};

// The scales that make `value`, not 0, a product of `level`, not 0 and of its sign.
ScaleInterval scales_between(const ProductRounding& rounding, float value, double level);

// What remains of `start` (positive, bounded) when every value has to be a level times the scale. An interval
// that remains is necessary, not sufficient: restores() decides. Stops at the first value that leaves none.
ScaleInterval scales_for(const CodeLevels& levels, const ProductRounding& rounding, ScaleInterval start,
                         std::span<const float> values);

// Scales in an interval that `scale_grid` holds, from the middle outwards; at most 9. Of F16's
// subnormals only the one nearest to the middle: they lie farther apart than any interval is wide.
std::vector<float> scales_in(const ScaleInterval& interval, const FloatGrid& scale_grid);

// Whether level x scale, multiplied in F32 and rounded to `storage`, gives every value again; by value, so
// that -0 is 0.
bool restores(const CodeLevels& levels, const FloatGrid& storage, float scale, std::span<const float> values,
              std::vector<float>& scratch);

// The value of largest magnitude, the first of them; 0 for none.
float extreme_of(std::span<const float> values);

// Codes times one scale of a block.
class ScaledLevels {
 public:
  // `either_sign`: scales may be negative.
  ScaledLevels(CodeLevels levels, const FloatGrid& scale_grid, bool either_sign = false);

  // Whether some scale restores every value: found, then each value computed again. Zeros fit.
  bool hold(const FloatGrid& storage, std::span<const float> values, std::vector<float>& scratch) const;

  const CodeLevels& levels() const { return forms_[0]; }

 private:
  std::vector<CodeLevels> forms_;  // as they are; mirrored too when scales may be negative
  FloatGrid scale_grid_;
};

// Whether values (finite) are elements of an e8m0 format, without rounding, times one power of two from
// 2^-127 to 2^127. Decided from bits. Zeros fit.
bool fit_power_of_two_scale(const BlockFormat& format, std::span<const float> values);

// NVFP4: E2M1 codes, an E4M3 scale per 16, an F32 scale of the tensor.
class TwoLevelScales {
 public:
  static constexpr size_t kBlock = 16;

  TwoLevelScales();

  // Code times block scale: the levels of the tensor's scale.
  const CodeLevels& products() const { return products_; }

  // Whether every block of 16 has a block scale with which code x (block scale x tensor_scale), each product
  // in F32, rounded to `storage`, gives its values again (-0 is 0).
  bool restore(const FloatGrid& storage, float tensor_scale, std::span<const float> values,
               std::vector<float>& scratch) const;

 private:
  bool restore_block(const FloatGrid& storage, float tensor_scale, std::span<const float> values,
                     std::vector<float>& scratch) const;

  CodeLevels codes_;
  std::vector<double> block_scales_;  // positive, ascending
  CodeLevels products_;
};

}  // namespace fakequant
