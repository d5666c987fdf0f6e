#include "formats/scaled_blocks.h"

#include <algorithm>

#include "base/error.h"
#include "formats/blocks.h"
#include "formats/level_blocks.h"
#include "formats/random_words.h"

namespace fakequant {

namespace {

using namespace kernel;

// An element rounds a quotient to a code's value. A NaN stays one.

struct IntegerElement {
  template <Rounding rounding>
  FQ_INLINE Rounded round(const BlockScale& s, float quotient, uint32_t word) const {
    // The bounds are whole numbers: clamping before rounding gives what clamping after it would.
    quotient = choose(quotient < s.lowest, s.lowest, quotient);
    quotient = choose(quotient > s.highest, s.highest, quotient);
    // A code of zero is +0: integers have no -0.
    if constexpr (rounding == Rounding::rne) {
      const float nearest = (quotient + 0x1.8p23f) - 0x1.8p23f;
      return {nearest, nearest};
    }
    const Rounded whole = round_whole<rounding>(__builtin_fabsf(quotient), word);
    return {__builtin_copysignf(whole.value, quotient) + 0.0f,
            __builtin_copysignf(whole.nearest, quotient) + 0.0f};
  }
};

// Multiples of 1/64 from -2 to 127/64: the elements of MXINT8.
struct FixedPointElement {
  template <Rounding rounding>
  FQ_INLINE Rounded round(const BlockScale& s, float quotient, uint32_t word) const {
    const BlockScale bounds{s.scale, s.inverse, -128.0f, 127.0f};
    const Rounded whole = IntegerElement().round<rounding>(bounds, quotient * 64.0f, word);
    return {whole.value * (1.0f / 64.0f), whole.nearest * (1.0f / 64.0f)};
  }
};

template <bool no_mantissa>
struct FloatElement {
  GridSteps steps;
  float max;
  float zero;  // what codes of zero keep their sign under: -0 added leaves it, +0 makes it +0 (fnuz)

  template <Rounding rounding>
  FQ_INLINE Rounded round(const BlockScale&, float quotient, uint32_t word) const {
    const uint32_t bits = bits_of(quotient);
    const uint32_t sign = bits & ~kMagnitude;
    float magnitude = float_of(bits & kMagnitude);
    // The largest value is on the grid: what is clamped first needs no clamp after rounding.
    magnitude = choose(magnitude > max, max, magnitude);
    const uint32_t exponent = std::max(bits_of(magnitude) & kInfinity, steps.lowest_exponent);
    const Rounded rounded = round_magnitude<rounding, no_mantissa>(steps, bits_of(magnitude), exponent, word);
    return {float_of(bits_of(rounded.value) | sign) + zero, float_of(bits_of(rounded.nearest) | sign) + zero};
  }
};

// How a format's values become quotients and come back.
struct Arithmetic {
  bool divides;   // by the scale, rather than multiplied by its inverse
  bool in_range;  // products stay within F32 by themselves
  bool is_exact;  // a power of two: quotients and products do not round
};

// The arithmetic is constant where this is called, or every value would pay for all of it.
template <Rounding rounding, class Element>
FQ_INLINE void round_run(const Element& element, const BlockScale s, const Arithmetic arithmetic,
                         float* values, const uint32_t* words, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    float value = values[i];
    float quotient = arithmetic.divides ? value / s.scale : value * s.inverse;
    uint32_t word = rounding == Rounding::sr ? words[i] : 0;
    const Rounded code = element.template round<rounding>(s, quotient, word);
    float restored = code.value * s.scale;
    if (chooses_between_neighbours(rounding) && !arithmetic.is_exact) {
      restored = unless_restored(code.nearest * s.scale, value, restored);
    }
    if (!arithmetic.in_range) {
      // Next to the end of F32 a code's product can lie beyond it.
      restored = choose(restored > kLargest, kLargest, restored);
      restored = choose(restored < -kLargest, -kLargest, restored);
    }
    values[i] = restored;
  }
}

// Blocks whose scales BlockScales::plain is about. A constant length lets the compiler unroll the loop over it.
template <Rounding rounding, class Element>
FQ_INLINE void round_plain(const Element& element, const Blocks& blocks, const Arithmetic arithmetic) {
  for (size_t b = 0; b < blocks.count; ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    const BlockScale s = blocks.scales.at(blocks.first + b);
    prefetch_ahead(blocks, values);
    if (blocks.length == 16) {
      round_run<rounding>(element, s, arithmetic, values, words, 16);
    } else if (blocks.length == 32) {
      round_run<rounding>(element, s, arithmetic, values, words, 32);
    } else if (blocks.length == 64) {
      round_run<rounding>(element, s, arithmetic, values, words, 64);
    } else {
      round_run<rounding>(element, s, arithmetic, values, words, blocks.length);
    }
  }
}

// Blocks of which some have no scale, a tiny one or one whose products may leave F32.
template <Rounding rounding, class Element>
FQ_INLINE void round_careful(const Element& element, const Blocks& blocks, bool divides) {
  for (size_t b = 0; b < blocks.count; ++b) {
    float* values = blocks.values + b * blocks.length;
    const uint32_t* words = rounding == Rounding::sr ? blocks.words + b * blocks.length : nullptr;
    const BlockScale s = blocks.scales.at(blocks.first + b);
    if (!(s.scale > 0)) {
      make_zeros(values, blocks.length);
    } else if (divides || s.inverse > kLargest) {
      round_run<rounding>(element, s, {.divides = true, .in_range = false, .is_exact = false}, values, words,
                          blocks.length);
    } else {
      round_run<rounding>(element, s, {.divides = false, .in_range = false, .is_exact = false}, values, words,
                          blocks.length);
    }
  }
}

template <Arithmetic arithmetic, Rounding rounding, class Element>
FQ_INLINE void round_with(const Element& element, const Blocks& blocks) {
  // Powers of two are always plain: Inf is what their products beyond F32 become.
  if (arithmetic.is_exact || blocks.scales.plain) {
    round_plain<rounding>(element, blocks, arithmetic);
  } else {
    round_careful<rounding>(element, blocks, arithmetic.divides);
  }
}

template <Arithmetic arithmetic, class Element>
FQ_INLINE void round_by(Rounding rounding, const Element element, const Blocks& blocks) {
  switch (rounding) {
    case Rounding::rne:
      return round_with<arithmetic, Rounding::rne>(element, blocks);
    case Rounding::rtz:
      return round_with<arithmetic, Rounding::rtz>(element, blocks);
    case Rounding::rna:
      return round_with<arithmetic, Rounding::rna>(element, blocks);
    case Rounding::sr:
      return round_with<arithmetic, Rounding::sr>(element, blocks);
  }
}

constexpr Arithmetic kMultiplies{.divides = false, .in_range = true, .is_exact = false};
constexpr Arithmetic kDivides{.divides = true, .in_range = true, .is_exact = false};
constexpr Arithmetic kPowerOfTwo{.divides = false, .in_range = true, .is_exact = true};

FQ_VECTORIZED void round_integers(Rounding rounding, const Blocks& blocks) {
  round_by<kMultiplies>(rounding, IntegerElement(), blocks);
}
FQ_VECTORIZED void round_fixed_points(Rounding rounding, const Blocks& blocks) {
  round_by<kPowerOfTwo>(rounding, FixedPointElement(), blocks);
}
FQ_VECTORIZED void round_microscaled(Rounding rounding, const FloatElement<false>& element,
                                     const Blocks& blocks) {
  round_by<kPowerOfTwo>(rounding, element, blocks);
}
FQ_VECTORIZED void round_two_level(Rounding rounding, const FloatElement<false>& element,
                                   const Blocks& blocks) {
  round_by<kDivides>(rounding, element, blocks);
}
FQ_VECTORIZED void round_floats(Rounding rounding, const FloatElement<false>& element, const Blocks& blocks) {
  round_by<kMultiplies>(rounding, element, blocks);
}
FQ_VECTORIZED void round_powers_of_two(Rounding rounding, const FloatElement<true>& element,
                                       const Blocks& blocks) {
  round_by<kMultiplies>(rounding, element, blocks);
}
template <bool no_mantissa>
FloatElement<no_mantissa> float_element(const FloatGrid& grid) {
  return {.steps = steps_of(grid),
          .max = static_cast<float>(grid.max_value()),
          .zero = grid.kind == FloatKind::fnuz ? 0.0f : -0.0f};
}

void round_elements(const BlockFormat& format, const Blocks& blocks) {
  if (const auto* levels = std::get_if<LevelGrid>(&format.grid))
    return round_levels(levels->table, format.rounding, blocks);
  if (const auto* floats = std::get_if<FloatGrid>(&format.grid)) {
    if (floats->mantissa_bits == 0)
      return round_powers_of_two(format.rounding, float_element<true>(*floats), blocks);
    FloatElement<false> element = float_element<false>(*floats);
    if (format.scale_type == ScaleType::e8m0) return round_microscaled(format.rounding, element, blocks);
    if (format.scale_type == ScaleType::e4m3_tensor) return round_two_level(format.rounding, element, blocks);
    return round_floats(format.rounding, element, blocks);
  }
  if (format.scale_type == ScaleType::e8m0) return round_fixed_points(format.rounding, blocks);
  round_integers(format.rounding, blocks);
}

// Rounds blocks whose scales are known and whose words are not; `first_value` is the index of the first in the tensor.
void round_with_scales(const BlockFormat& format, uint64_t random_key, uint64_t first_value,
                       const Blocks& blocks) {
  if (format.rounding != Rounding::sr) return round_elements(format, blocks);
  constexpr size_t kWords = 4096;
  uint32_t words[kWords];
  for_each_part(blocks, kWords, [&](Blocks part, size_t offset) {
    fill_random_words(random_key, first_value + offset, {words, part.count * part.length});
    part.words = words;
    round_elements(format, part);
  });
}

// Consecutive blocks that begin at `values`, the first with the first of the scales.
Blocks blocks_at(float* values, const BlockScales& scales, size_t count, size_t length) {
  return {scales, 0, count, length, values, nullptr, count * length};
}

}  // namespace

void round_with_range(const BlockFormat& format, const ScaleRange& range, const TensorContext& context,
                      std::span<float> values) {
  FQ_CHECK(format.has_scale() && !format.has_standard_scale());
  if (values.empty()) return;
  BlockScales scales;
  find_shared_scale(format, range, scales);
  round_with_scales(format, context.random_key, context.first_value,
                    blocks_at(values.data(), scales, 1, values.size()));
}

// Blocks are handled some at a time, so that values stay in the nearest cache between the search for scales and the
// rounding.
void round_blocks(const BlockFormat& format, size_t block, const TensorContext& context,
                  std::span<float> values) {
  FQ_CHECK(block > 0 && values.size() % block == 0);
  constexpr size_t kValuesAtOnce = 4096;
  const size_t at_once = std::clamp<size_t>(kValuesAtOnce / block, 1, kBlocksAtOnce);
  const size_t block_count = values.size() / block;
  BlockScales scales;
  for (size_t first = 0; first < block_count; first += at_once) {
    size_t count = std::min(at_once, block_count - first);
    std::span<float> some = values.subspan(first * block, count * block);
    find_block_scales(format, context.range.amax, some, block, scales);
    round_with_scales(format, context.random_key, context.first_value + first * block,
                      blocks_at(some.data(), scales, count, block));
  }
}

}  // namespace fakequant
