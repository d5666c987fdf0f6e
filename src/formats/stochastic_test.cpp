// Stochastic rounding in every family: the mean of what a value becomes is the value.

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/codes.h"
#include "formats/fake_quantize.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

// A format under a range that makes its scale 1, so that its codes are its values.
struct Subject {
  const char* format;
  std::vector<float> pinned;  // values that a block begins with to make its scale 1
};

const Subject kSubjects[] = {
    {"bf16", {}},
    {"f16", {}},
    {"e4m3", {}},
    {"e4m3fnuz", {}},
    {"e5m2", {}},
    {"e3m2", {}},
    {"e2m1", {}},
    {"e8m3:ieee", {}},
    {"e8m3:fnuz", {}},
    {"e5m0:finite", {}},
    {"int4:group=32", {7}},
    {"int4:group=32:full", {7.5}},
    {"int4:group=32:asym", {0, 15}},
    {"int8:group=32", {127}},
    {"e2m1:group=32", {6}},
    {"e4m3:group=32", {448}},
    {"mxfp4", {6}},
    {"mxfp8_e4m3", {448}},
    {"mxint8", {127.0f / 64}},
    {"nvfp4", {6}},
    {"nf4", {1}},
};

// Finite values of the format, ascending, each once.
std::vector<float> values_of(const BlockFormat& format) {
  std::vector<float> values;
  for (const Code& code : codes_of(format)) {
    if (std::isfinite(code.value)) values.push_back(code.value + 0.0f);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// Draws of `value`, in blocks that begin with the pinned values; the draws alone.
std::vector<float> draws_of(const BlockFormat& format, const Subject& subject, float value, size_t count,
                            uint64_t key) {
  const size_t block = format.has_scale() ? static_cast<size_t>(format.group_values) : 32;
  std::vector<float> values;
  while (values.size() < count) {
    values.insert(values.end(), subject.pinned.begin(), subject.pinned.end());
    values.resize((values.size() / block + 1) * block, value);
  }
  // Under this range the tensor scale of NVFP4 is 1.
  TensorContext context{.range = {.amax = 6.0f * 448.0f}, .random_key = key};
  fake_quantize_rows(format, static_cast<int64_t>(values.size()), context, values);
  std::vector<float> draws;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % block >= subject.pinned.size()) draws.push_back(values[i]);
  }
  return draws;
}

// Places between two values of the format: of all sizes, and fractions from nearly 0 to nearly 1.
struct Place {
  float value;
  float low;
  float high;
};

std::vector<Place> places_in(const BlockFormat& format, const Subject& subject, size_t count) {
  std::vector<float> values = values_of(format);
  std::mt19937 random(17);
  std::uniform_real_distribution<double> uniform;
  std::vector<Place> places;
  while (places.size() < count) {
    size_t i = random() % (values.size() - 1);
    double fraction = places.size() % 4 == 0   ? 0.5
                      : places.size() % 4 == 1 ? std::pow(uniform(random), 3)
                                               : uniform(random);
    double low = values[i];
    double high = values[i + 1];
    // A value beyond the pinned one would change the scale.
    if (!subject.pinned.empty() && std::max(-low, high) > subject.pinned.back()) continue;
    auto value = static_cast<float>(low + fraction * (high - low));
    if (value <= values[i] || value >= values[i + 1]) continue;
    places.push_back({value, values[i], values[i + 1]});
  }
  return places;
}

// Each mean lies within 5 standard errors, and all together scatter as they should: the mean of the squared
// deviations is 1 up to 5 of its own standard errors. A bias of a fifth of a standard error in all of them
// would show in the sum.
TEST(StochasticRounding, MeansAreTheValuesToTheirStatisticalError) {
  constexpr size_t kPlaces = 60;
  constexpr size_t kDraws = 4096;
  double sum_over_all = 0;
  double count_over_all = 0;
  for (const Subject& subject : kSubjects) {
    const BlockFormat format = own_format(std::string(subject.format) + ":sr");
    double squares = 0;
    uint64_t key = 0;
    for (const Place& place : places_in(format, subject, kPlaces)) {
      std::vector<float> draws = draws_of(format, subject, place.value, kDraws, ++key);
      double p = (double{place.value} - place.low) / (double{place.high} - place.low);
      double ups = 0;
      for (float draw : draws) {
        ASSERT_TRUE(draw == place.low || draw == place.high)
            << subject.format << " of " << in_hex(place.value) << " found " << in_hex(draw);
        ups += draw == place.high ? 1 : 0;
      }
      double count = static_cast<double>(draws.size());
      double deviation = (ups - count * p) / std::sqrt(count * p * (1 - p));
      // Where fewer than ten are expected to go one way the normal distribution is no measure: thirty are too
      // many.
      bool rare = count * std::min(p, 1 - p) < 10;
      EXPECT_TRUE(std::abs(deviation) < 5 || (rare && std::abs(ups - count * p) < 30))
          << subject.format << " of " << in_hex(place.value) << " p " << p << " deviation " << deviation;
      squares += rare ? 1 : deviation * deviation;
      sum_over_all += rare ? 0 : std::copysign(1.0, place.value) * deviation;
      count_over_all += 1;
    }
    EXPECT_NEAR(squares / kPlaces, 1, 5 * std::sqrt(2.0 / kPlaces)) << subject.format;
  }
  EXPECT_LT(std::abs(sum_over_all / std::sqrt(count_over_all)), 5);
}

// The same over keys instead of places: each tensor draws anew.
TEST(StochasticRounding, MeansOverKeysAreTheValues) {
  constexpr size_t kKeys = 4096;
  for (const Subject& subject : {kSubjects[0], kSubjects[2], kSubjects[10], kSubjects[16], kSubjects[19]}) {
    const BlockFormat format = own_format(std::string(subject.format) + ":sr");
    for (const Place& place : places_in(format, subject, 3)) {
      double p = (double{place.value} - place.low) / (double{place.high} - place.low);
      double ups = 0;
      for (uint64_t key = 0; key < kKeys; ++key)
        ups += draws_of(format, subject, place.value, 1, key)[0] == place.high ? 1 : 0;
      EXPECT_NEAR(ups, kKeys * p, 5 * std::sqrt(kKeys * p * (1 - p)) + 3)
          << subject.format << " " << place.value;
    }
  }
}

TEST(StochasticRounding, WhatTheFormatHoldsNeverMoves) {
  for (const Subject& subject : kSubjects) {
    const BlockFormat format = own_format(std::string(subject.format) + ":sr");
    std::vector<float> values = values_of(format);
    size_t stride = values.size() / 200 + 1;
    for (size_t i = 0; i < values.size(); i += stride) {
      // Codes that the pinned value would not leave the largest of their block.
      if (!subject.pinned.empty() && std::abs(values[i]) > subject.pinned.back()) continue;
      for (float draw : draws_of(format, subject, values[i], 64, i))
        ASSERT_EQ(draw, values[i]) << subject.format;
    }
  }
}

// Probabilities are exact to 2^-31: the word decides by all of its bits.
TEST(StochasticRounding, AWordMovesAValueUpExactlyWhenItReachesItsFraction) {
  for (float fraction : {0.5f, 0.25f, 0x1p-10f, 0x1.8p-20f, 0.75f}) {
    auto limit = static_cast<uint32_t>(0x1p32 * (1.0 - double{fraction}));
    for (const FloatGrid& grid : {kE4M3, kE2M1, kBf16, kTf32}) {
      // Between 1 and the next value, as far as F32 holds it.
      auto step = static_cast<float>(std::ldexp(1.0, -grid.mantissa_bits));
      float value = 1.0f + fraction * step;
      if (double{value} != 1.0 + double{fraction} * double{step}) continue;
      EXPECT_EQ(rounded(grid, Rounding::sr, Overflow::saturate, value, limit), 1.0f + step);
      EXPECT_EQ(rounded(grid, Rounding::sr, Overflow::saturate, value, limit - 1), 1.0f);
      EXPECT_EQ(rounded(grid, Rounding::sr, Overflow::saturate, -value, limit), -1.0f - step);
    }
  }
}

}  // namespace
}  // namespace fakequant
