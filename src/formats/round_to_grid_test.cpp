#include "formats/round_to_grid.h"

#include <gtest/gtest.h>

#include <set>

#include "formats/grid_oracle.h"
#include "formats/testing.h"

namespace fakequant {
namespace {

using namespace formats_testing;

bool fits_f32(int exponent_bits, FloatKind kind) {
  return exponent_bits < 8 || kind == FloatKind::ieee || kind == FloatKind::fnuz;
}

std::string name_of(const FloatGrid& grid) {
  return canonical_name({.grid = grid, .overflow = default_overflow(grid)});
}

// Every grid of the catalog, and of each number of exponent bits some of all kinds.
std::vector<FloatGrid> swept_grids() {
  std::vector<FloatGrid> grids;
  for (const CatalogEntry& entry : catalog()) {
    if (entry.family != FormatFamily::scalar || entry.format.leaves_values()) continue;
    grids.push_back(std::get<FloatGrid>(std::get<BlockFormat>(entry.format.kind).grid));
  }
  for (int exponent_bits = 2; exponent_bits <= 8; ++exponent_bits) {
    for (int mantissa_bits : {0, 1, 2, 3, 6, 11, 21, 22}) {
      for (FloatKind kind : kAllKinds) {
        if (fits_f32(exponent_bits, kind)) grids.push_back(float_grid(exponent_bits, mantissa_bits, kind));
      }
    }
  }
  return grids;
}

// One of each way that the rounding loops go: F32's exponents, those with a binade more below, fewer, powers
// of two.
const FloatGrid kPaths[] = {kBf16,
                            kTf32,
                            float_grid(8, 22, FloatKind::ieee),
                            float_grid(8, 3, FloatKind::fnuz),
                            float_grid(8, 22, FloatKind::fnuz),
                            kF16,
                            kE4M3,
                            kE5M2Fnuz,
                            float_grid(7, 22, FloatKind::finite),
                            float_grid(8, 0, FloatKind::ieee),
                            float_grid(5, 0, FloatKind::fn)};

// Patterns that end in ties of some length and next to them, with exponents around the grid's own.
std::vector<float> near_ties(const FloatGrid& grid, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  int lowest = std::max(grid.min_subnormal_exponent() + 127 - 3, 0);
  int highest = std::min(grid.max_exponent() + 127 + 2, 254);
  std::vector<float> values(count);
  for (float& value : values) {
    auto field = static_cast<uint32_t>(lowest) +
                 static_cast<uint32_t>(random()) % static_cast<uint32_t>(highest - lowest + 1);
    uint32_t tail = static_cast<uint32_t>(random()) % 24;
    uint32_t bits = (static_cast<uint32_t>(random()) & 0x007FFFFF) >> tail << tail;
    if (tail > 0) bits |= 1u << (tail - 1);
    bits += (field << 23) + static_cast<uint32_t>(random()) % 3 - 1;
    value = from_bits((bits & 0x7FFFFFFF) | (static_cast<uint32_t>(random()) << 31));
    if (!std::isfinite(value)) value = kFloatMax;
  }
  return values;
}

// Every value of a small grid, every midpoint, and the F32 values next to each.
std::vector<float> edges_of(const GridOracle& oracle) {
  std::vector<long double> places{oracle.max(), oracle.beyond_max(),
                                  oracle.max() / 2 + oracle.beyond_max() / 2};
  if (oracle.lists_values()) {
    std::vector<long double> magnitudes = oracle.magnitudes();
    size_t stride = magnitudes.size() / 256 + 1;
    for (size_t i = 0; i + 1 < magnitudes.size(); i += stride) {
      places.push_back(magnitudes[i]);
      places.push_back((magnitudes[i] + magnitudes[i + 1]) / 2);
    }
  }
  std::vector<float> values;
  for (long double place : places) {
    auto value = static_cast<float>(place);
    if (!std::isfinite(value)) continue;
    for (float near : {value, std::nextafter(value, 0.0f), std::nextafter(value, kFloatMax)}) {
      values.push_back(near);
      values.push_back(-near);
    }
  }
  return values;
}

std::vector<float> inputs_for(const FloatGrid& grid, const GridOracle& oracle) {
  std::vector<float> values = wild_values(300, 1, /*finite=*/false);
  std::vector<float> ties = near_ties(grid, 300, 2);
  std::vector<float> edges = edges_of(oracle);
  values.insert(values.end(), ties.begin(), ties.end());
  values.insert(values.end(), edges.begin(), edges.end());
  return values;
}

TEST(RoundToGrid, IsTheNearestValueOfTheFormatByItsDefinition) {
  for (const FloatGrid& grid : swept_grids()) {
    const GridOracle oracle(grid);
    const std::vector<float> values = inputs_for(grid, oracle);
    for (Rounding rounding : kFixedRoundings) {
      for (Overflow overflow : {Overflow::infinite, Overflow::saturate}) {
        std::vector<float> found = values;
        round_to_grid(grid, rounding, overflow, found);
        for (size_t i = 0; i < values.size(); ++i) {
          // A finite value that is cut off never becomes Inf.
          bool cut = rounding == Rounding::rtz && std::isfinite(values[i]);
          float wanted = oracle.round(values[i], rounding, cut ? Overflow::saturate : overflow);
          ASSERT_TRUE(same(found[i], wanted))
              << name_of(grid) << " rounding " << static_cast<int>(rounding) << " overflow "
              << static_cast<int>(overflow) << " of " << in_hex(values[i]) << " found " << in_hex(found[i])
              << " wanted " << in_hex(wanted);
        }
      }
    }
  }
}

// The lowest random word never moves a value up, the highest always; what the grid holds stays under every
// word.
TEST(RoundToGrid, StochasticRoundingGivesOneOfTheTwoNeighbours) {
  std::mt19937 random(3);
  for (const FloatGrid& grid : swept_grids()) {
    const GridOracle oracle(grid);
    const std::vector<float> values = inputs_for(grid, oracle);
    for (Overflow overflow : {Overflow::infinite, Overflow::saturate}) {
      for (int kind_of_word = 0; kind_of_word < 3; ++kind_of_word) {
        std::vector<uint32_t> words(values.size());
        for (uint32_t& word : words)
          word = kind_of_word == 0 ? 0u : kind_of_word == 1 ? ~0u : static_cast<uint32_t>(random());
        std::vector<float> found = values;
        round_to_grid(grid, Rounding::sr, overflow, found, words);
        for (size_t i = 0; i < values.size(); ++i) {
          float value = values[i];
          if (!std::isfinite(value)) {
            ASSERT_TRUE(same(found[i], oracle.round(value, Rounding::rne, overflow))) << name_of(grid);
            continue;
          }
          long double magnitude = std::fabs(static_cast<long double>(value));
          auto [low, high, even] = oracle.neighbours(magnitude);
          auto signed_float = [&](long double x) {
            return oracle.with_sign(x > oracle.max() ? oracle.overflowed(overflow) : static_cast<float>(x),
                                    value);
          };
          bool exact = magnitude == low;
          bool beyond = magnitude >= oracle.beyond_max();
          // Probabilities are exact to 2^-31: what lies nearer to a value than that need not move.
          bool moves = (magnitude - low) / (high - low) >= 0x1p-31L;
          float below = signed_float(beyond ? high : low);
          float above = signed_float(exact ? low : high);
          bool right = same(found[i], below) || same(found[i], above);
          if (kind_of_word == 0) right = same(found[i], below);
          if (kind_of_word == 1 && moves) right = same(found[i], above);
          ASSERT_TRUE(right) << name_of(grid) << " of " << in_hex(value) << " found " << in_hex(found[i]);
        }
      }
    }
  }
}

TEST(RoundToGrid, TwiceGivesTheSameBitsAsOnce) {
  std::mt19937 random(4);
  for (const FloatGrid& grid : swept_grids()) {
    std::vector<float> values = wild_values(500, 5, /*finite=*/false);
    std::vector<float> ties = near_ties(grid, 500, 6);
    values.insert(values.end(), ties.begin(), ties.end());
    for (Rounding rounding : kAllRoundings) {
      for (Overflow overflow : {Overflow::infinite, Overflow::saturate}) {
        std::vector<uint32_t> words(values.size());
        std::vector<float> once = values;
        for (uint32_t& word : words) word = static_cast<uint32_t>(random());
        round_to_grid(grid, rounding, overflow, once, words);
        std::vector<float> twice = once;
        for (uint32_t& word : words) word = static_cast<uint32_t>(random());
        round_to_grid(grid, rounding, overflow, twice, words);
        ASSERT_TRUE(same_values(twice, once)) << name_of(grid) << " rounding " << static_cast<int>(rounding);
      }
    }
  }
}

TEST(RoundToGrid, ArraysGiveWhatSingleValuesGive) {
  const std::vector<float> values = wild_values(67, 11, /*finite=*/false);
  std::mt19937 random(12);
  std::vector<uint32_t> words(values.size());
  for (uint32_t& word : words) word = static_cast<uint32_t>(random());
  for (const FloatGrid& grid : kPaths) {
    for (Rounding rounding : kAllRoundings) {
      for (size_t first = 0; first < 9; ++first) {
        for (size_t count :
             {size_t{0}, size_t{1}, size_t{7}, size_t{15}, size_t{33}, values.size() - first}) {
          std::vector<float> all = values;
          round_to_grid(grid, rounding, Overflow::infinite, {all.data() + first, count},
                        {words.data() + first, count});
          for (size_t i = 0; i < values.size(); ++i) {
            bool inside = i >= first && i < first + count;
            float wanted =
                inside ? rounded(grid, rounding, Overflow::infinite, values[i], words[i]) : values[i];
            ASSERT_EQ(to_bits(all[i]), to_bits(wanted)) << name_of(grid) << " at " << i;
          }
        }
      }
    }
  }
}

TEST(RoundToGrid, Bf16TruncationClearsTheLow16BitsOfEveryNumber) {
  for (float value : wild_values(100000, 3, /*finite=*/false)) {
    if (std::isnan(value)) continue;
    ASSERT_EQ(to_bits(rounded(kBf16, Rounding::rtz, Overflow::infinite, value)),
              to_bits(value) & 0xFFFF0000u);
    ASSERT_EQ(to_bits(rounded(kTf32, Rounding::rtz, Overflow::infinite, value)),
              to_bits(value) & 0xFFFFE000u);
  }
}

// The sign is no promise where there is no -0.
TEST(RoundToGrid, ANanStaysAQuietNanInEveryFormat) {
  for (uint32_t bits :
       {0x7F800001u, 0xFF800001u, 0x7FFFFFFFu, 0xFFFFFFFFu, 0x7FC00000u, 0xFFC00000u, 0x7FA00000u}) {
    for (const FloatGrid& grid : swept_grids()) {
      for (Rounding rounding : kAllRoundings) {
        for (Overflow overflow : {Overflow::infinite, Overflow::saturate}) {
          uint32_t found = to_bits(rounded(grid, rounding, overflow, from_bits(bits), ~0u));
          ASSERT_EQ(found & 0x7FC00000u, 0x7FC00000u) << name_of(grid) << std::hex << bits;
          if (grid.kind == FloatKind::fnuz) continue;
          ASSERT_EQ(found >> 31, bits >> 31) << name_of(grid) << std::hex << bits;
        }
      }
    }
  }
  EXPECT_EQ(to_bits(rounded(kBf16, Rounding::rtz, Overflow::infinite, from_bits(0x7F800001u))), 0x7FC00000u);
}

TEST(RoundToGrid, InfinityFollowsTheOverflowRuleAndWhatTheGridHas) {
  for (Rounding rounding : kAllRoundings) {
    EXPECT_EQ(rounded(kF16, rounding, Overflow::infinite, -kInf), -kInf);
    EXPECT_EQ(rounded(kF16, rounding, Overflow::saturate, -kInf), -65504.0f);
    EXPECT_TRUE(std::isnan(rounded(kE4M3, rounding, Overflow::infinite, kInf)));
    EXPECT_EQ(rounded(kE4M3, rounding, Overflow::saturate, kInf), 448.0f);
    EXPECT_TRUE(std::isnan(rounded(kE5M2Fnuz, rounding, Overflow::infinite, -kInf)));
    EXPECT_EQ(rounded(kE5M2Fnuz, rounding, Overflow::saturate, -kInf), -57344.0f);
    EXPECT_EQ(rounded(kE2M1, rounding, Overflow::infinite, -kInf), -6.0f);
  }
}

struct Threshold {
  FloatGrid grid;
  float max;
  float last_kept;  // the largest F32 value that rne gives max
};

// The table of docs/formats.md: from where rne overflows.
TEST(RoundToGrid, OverflowIsDecidedAfterRounding) {
  const Threshold thresholds[] = {{kBf16, from_bits(0x7F7F0000), from_bits(0x7F7F7FFF)},
                                  {kTf32, from_bits(0x7F7FE000), from_bits(0x7F7FEFFF)},
                                  {kF16, 65504.0f, std::nextafter(65520.0f, 0.0f)},
                                  {kE4M3, 448.0f, 464.0f},
                                  {kE5M2, 57344.0f, std::nextafter(61440.0f, 0.0f)},
                                  {kE4M3Fnuz, 240.0f, std::nextafter(248.0f, 0.0f)},
                                  {kE5M2Fnuz, 57344.0f, std::nextafter(61440.0f, 0.0f)}};
  for (const auto& [grid, max, last_kept] : thresholds) {
    float first_beyond = std::nextafter(last_kept, kInf);
    for (float sign : {1.0f, -1.0f}) {
      EXPECT_EQ(rounded(grid, Rounding::rne, Overflow::infinite, sign * last_kept), sign * max);
      EXPECT_FALSE(std::isfinite(rounded(grid, Rounding::rne, Overflow::infinite, sign * first_beyond)));
      for (Rounding rounding : kAllRoundings)
        EXPECT_EQ(rounded(grid, rounding, Overflow::saturate, sign * first_beyond, ~0u), sign * max);
      EXPECT_EQ(rounded(grid, Rounding::rtz, Overflow::infinite, sign * kFloatMax), sign * max);
    }
  }
  // Ties to even at every midpoint of FP4.
  const float ties[][2] = {{0.25f, 0}, {0.75f, 1}, {1.25f, 1}, {1.75f, 2}, {2.5f, 2}, {3.5f, 4}, {5.0f, 4}};
  for (const auto& [tie, even] : ties) {
    EXPECT_EQ(rounded(kE2M1, Rounding::rne, Overflow::saturate, tie), even);
    EXPECT_EQ(rounded(kE2M1, Rounding::rne, Overflow::saturate, -tie), -even);
  }
}

TEST(RoundToGrid, NegativeZeroStaysButInFnuzGrids) {
  for (const FloatGrid& grid : swept_grids()) {
    const auto half_smallest = static_cast<float>(grid.min_subnormal() / 4);
    for (Rounding rounding : kAllRoundings) {
      uint32_t wanted = grid.kind == FloatKind::fnuz ? 0 : 0x80000000u;
      EXPECT_EQ(to_bits(rounded(grid, rounding, Overflow::saturate, -0.0f)), wanted) << name_of(grid);
      EXPECT_EQ(to_bits(rounded(grid, rounding, Overflow::saturate, 0.0f)), 0u) << name_of(grid);
      // What underflows from below.
      EXPECT_EQ(to_bits(rounded(grid, rounding, Overflow::saturate, -half_smallest)), wanted)
          << name_of(grid);
    }
  }
}

TEST(RoundToGrid, SubnormalsAreExactOnBothSides) {
  for (const FloatGrid& grid : swept_grids()) {
    auto smallest = static_cast<float>(grid.min_subnormal());
    for (Rounding rounding : kAllRoundings) {
      for (float steps : {1.0f, 2.0f, 3.0f}) {
        if (grid.mantissa_bits < 2 && steps == 3.0f) continue;
        EXPECT_EQ(rounded(grid, rounding, Overflow::saturate, steps * smallest, ~0u), steps * smallest);
      }
    }
    if (smallest <= 0x1p-148f) continue;
    float above = std::nextafter(smallest / 2, 1.0f);
    EXPECT_EQ(rounded(grid, Rounding::rne, Overflow::saturate, above), smallest) << name_of(grid);
    EXPECT_EQ(rounded(grid, Rounding::rne, Overflow::saturate, smallest / 2), 0.0f) << name_of(grid);
    EXPECT_EQ(rounded(grid, Rounding::rna, Overflow::saturate, smallest / 2), smallest) << name_of(grid);
  }
  // F32's own subnormals: BF16 holds multiples of 2^-133.
  EXPECT_EQ(rounded(kBf16, Rounding::rne, Overflow::infinite, 0x1.8p-133f), 0x1p-132f);
  EXPECT_EQ(rounded(kBf16, Rounding::rtz, Overflow::infinite, 0x1.8p-133f), 0x1p-133f);
}

TEST(RoundToGrid, F32LeavesEverythingAsItIs) {
  for (float value : wild_values(1000, 8, /*finite=*/false))
    EXPECT_EQ(to_bits(rounded(kF32, Rounding::rne, Overflow::infinite, value)), to_bits(value));
}

using RoundToGridDeathTest = testing::Test;

TEST(RoundToGridDeathTest, GridsBeyondF32AndMissingWordsAreOurOwnBugs) {
  float value = 1.0f;
  for (const FloatGrid& grid : {float_grid(8, 3, FloatKind::fn), float_grid(8, 3, FloatKind::finite),
                                FloatGrid{8, 3, 120, FloatKind::ieee}})
    EXPECT_DEATH(round_to_grid(grid, Rounding::rne, Overflow::saturate, {&value, 1}), "");
  EXPECT_DEATH(round_to_grid(kBf16, Rounding::sr, Overflow::saturate, {&value, 1}), "");
}

}  // namespace
}  // namespace fakequant
