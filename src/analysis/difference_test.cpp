#include "analysis/difference.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace fakequant {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> normal_values(size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<float> truncated(std::vector<float> values) {
  for (float& value : values) value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
  return values;
}

void expect_same(const Difference& a, const Difference& b) {
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.changed_count, b.changed_count);
  EXPECT_EQ(a.nonfinite_count, b.nonfinite_count);
  EXPECT_EQ(a.new_nonfinite, b.new_nonfinite);
  EXPECT_EQ(a.max_abs, b.max_abs);
  EXPECT_EQ(a.max_abs_index, b.max_abs_index);
  EXPECT_EQ(a.max_rel, b.max_rel);
  EXPECT_EQ(a.max_rel_index, b.max_rel_index);
  EXPECT_EQ(a.sum_abs, b.sum_abs);
  EXPECT_EQ(a.sum_rel, b.sum_rel);
  EXPECT_EQ(a.sum_squared_error, b.sum_squared_error);
  EXPECT_EQ(a.sum_original_squared, b.sum_original_squared);
  EXPECT_EQ(a.sum_restored_squared, b.sum_restored_squared);
  EXPECT_EQ(a.sum_product, b.sum_product);
}

TEST(Difference, HandComputedVector) {
  const std::vector<float> original = {1, -2, 4, 0};
  const std::vector<float> restored = {1, -3, 2, 0};
  const Difference d = measure_difference(original, restored, 1.0, 100);
  EXPECT_EQ(d.count, 4u);
  EXPECT_EQ(d.changed_count, 2u);
  EXPECT_EQ(d.max_abs, 2);
  EXPECT_EQ(d.max_abs_index, 102u);
  EXPECT_EQ(d.mean_abs(), 0.75);
  EXPECT_EQ(d.max_rel, 0.4);  // 2 / (4 + 1) beats 1 / (2 + 1)
  EXPECT_EQ(d.max_rel_index, 102u);
  EXPECT_DOUBLE_EQ(d.mean_rel(), (1.0 / 3 + 0.4) / 4);
  EXPECT_EQ(d.rmse(), std::sqrt(5.0 / 4));
  EXPECT_DOUBLE_EQ(d.snr_db(), 10 * std::log10(21.0 / 5));
  EXPECT_DOUBLE_EQ(d.cosine(), 15 / std::sqrt(21.0 * 14));
}

TEST(Difference, DefaultEpsilonIsTiny) {
  const std::vector<float> original = {0, 1}, restored = {1e-12f, 1};
  const Difference d = measure_difference(original, restored);
  EXPECT_NEAR(d.max_rel, 1, 1e-7);
  EXPECT_EQ(d.max_rel_index, 0u);
}

TEST(Difference, EqualBitsAreNoDifference) {
  const std::vector<float> values = normal_values(5000, 1);
  const Difference d = measure_difference(values, values);
  EXPECT_EQ(d.changed_count, 0u);
  EXPECT_EQ(d.max_abs, 0);
  EXPECT_EQ(d.mean_rel(), 0);
  EXPECT_EQ(d.rmse(), 0);
  EXPECT_EQ(d.snr_db(), INFINITY);
  EXPECT_EQ(d.cosine(), 1);
}

TEST(Difference, NothingAtAllIsNoDifference) {
  for (const Difference& d : {Difference(), measure_difference({}, {})}) {
    EXPECT_EQ(d.mean_abs(), 0);
    EXPECT_EQ(d.mean_rel(), 0);
    EXPECT_EQ(d.rmse(), 0);
    EXPECT_EQ(d.snr_db(), INFINITY);
    EXPECT_EQ(d.cosine(), 1);
  }
}

TEST(Difference, SignOfZeroIsAChangeWithoutError) {
  const std::vector<float> plus(20, 0.0f), minus(20, -0.0f);
  const Difference d = measure_difference(plus, minus);
  EXPECT_EQ(d.changed_count, 20u);
  EXPECT_EQ(d.max_abs, 0);
  EXPECT_EQ(d.cosine(), 1);
}

TEST(Difference, ZeroVectors) {
  const std::vector<float> zero(3), one(3, 1.0f);
  EXPECT_EQ(measure_difference(zero, one).cosine(), 0);
  EXPECT_EQ(measure_difference(one, zero).cosine(), 0);
  EXPECT_EQ(measure_difference(zero, one).snr_db(), -INFINITY);
  EXPECT_EQ(measure_difference(one, zero).snr_db(), 0);
}

TEST(Difference, CosineOfOppositeVectorsIsMinusOne) {
  const std::vector<float> a = normal_values(1000, 2);
  std::vector<float> b = a;
  for (float& value : b) value = -value;
  EXPECT_NEAR(measure_difference(a, b).cosine(), -1, 1e-15);
  EXPECT_GE(measure_difference(a, b).cosine(), -1);
}

TEST(Difference, NonfinitePairsAreCountedAndLeftOut) {
  const float other_nan = std::bit_cast<float>(0x7fc00001u);
  const std::vector<float> original = {1, kNan, kInf, 2, 3, kNan, kInf, 5, kNan};
  const std::vector<float> restored = {1, kNan, kInf, kInf, kNan, 7, -kInf, 6, other_nan};
  const Difference d = measure_difference(original, restored, 1.0);
  EXPECT_EQ(d.count, 9u);
  EXPECT_EQ(d.nonfinite_count, 7u);
  EXPECT_EQ(d.finite_count(), 2u);
  EXPECT_EQ(d.new_nonfinite, 2u);
  EXPECT_EQ(d.changed_count, 5u);  // 2>Inf 3>NaN NaN>7 Inf>-Inf 5>6; not NaN>NaN
  EXPECT_EQ(d.max_abs, 1);
  EXPECT_EQ(d.max_abs_index, 7u);
  EXPECT_EQ(d.sum_original_squared, 26);
  EXPECT_EQ(d.sum_restored_squared, 37);
  EXPECT_EQ(d.sum_product, 31);
  EXPECT_EQ(d.mean_abs(), 0.5);
}

TEST(Difference, IdenticalNonfiniteBlocksAreLeftOutToo) {
  std::vector<float> values = normal_values(3000, 3);
  values[1500] = kInf;
  const Difference d = measure_difference(values, values);
  EXPECT_EQ(d.changed_count, 0u);
  EXPECT_EQ(d.nonfinite_count, 1u);
  EXPECT_EQ(d.new_nonfinite, 0u);
  EXPECT_TRUE(std::isfinite(d.sum_original_squared));
}

TEST(Difference, OfEqualMaximaTheFirstCounts) {
  for (const size_t length : {5u, 16u, 40u, 1024u, 5000u}) {
    std::vector<float> original(length, 1.0f), restored(length, 1.0f);
    restored[length - 1] = 1.5f;
    EXPECT_EQ(measure_difference(original, restored).max_abs_index, length - 1);
    restored[length / 2] = 0.5f;
    EXPECT_EQ(measure_difference(original, restored).max_abs_index, length / 2);
    EXPECT_EQ(measure_difference(original, restored).max_rel_index, length / 2);
    restored[1] = 1.5f;
    EXPECT_EQ(measure_difference(original, restored).max_abs_index, 1u);
  }
}

TEST(Difference, MergeKeepsTheFirstOfEqualMaxima) {
  const std::vector<float> original = {1, 1}, restored = {1, 2};
  Difference first = measure_difference(original, restored, 1.0, 0);
  const Difference second = measure_difference(original, restored, 1.0, 2);
  first.merge(second);
  EXPECT_EQ(first.count, 4u);
  EXPECT_EQ(first.max_abs_index, 1u);
  EXPECT_EQ(first.max_rel_index, 1u);
  EXPECT_EQ(first.sum_abs, 2);
}

TEST(Difference, PiecesMergedInOrderGiveTheBitsOfOnePass) {
  std::vector<float> original = normal_values(50000, 4);
  original[7777] = kNan;
  std::vector<float> restored = truncated(original);
  restored[30000] = kInf;
  const Difference whole = measure_difference(original, restored);
  Difference merged;
  for (size_t start = 0; start < original.size(); start += 1024) {  // the blocks in which one pass works
    const size_t count = std::min<size_t>(1024, original.size() - start);
    merged.merge(measure_difference(std::span(original).subspan(start, count),
                                    std::span(restored).subspan(start, count), kDefaultEpsilon, start));
  }
  expect_same(merged, whole);
}

TEST(Difference, MatchesTheReferenceAtEveryLength) {
  for (const size_t length : {1u, 15u, 16u, 17u, 1023u, 1024u, 1025u, 100003u}) {
    const std::vector<float> original = normal_values(length, 5);
    const std::vector<float> restored = truncated(original);
    long double abs = 0, rel = 0, squared = 0, o2 = 0, q2 = 0, product = 0, max_abs = 0, max_rel = 0;
    for (size_t i = 0; i < length; ++i) {
      const long double o = original[i], q = restored[i], e = std::fabs(o - q);
      abs += e;
      rel += e / (std::fabs(o) + 1e-12L);
      squared += e * e;
      o2 += o * o;
      q2 += q * q;
      product += o * q;
      max_abs = std::max(max_abs, e);
      max_rel = std::max(max_rel, e / (std::fabs(o) + 1e-12L));
    }
    // Sums of n non-negative terms in 16 lanes and blocks err by far less than n / 16 roundings.
    const double tolerance = 1e-15 * (4 + static_cast<double>(length) / 1024);
    const Difference d = measure_difference(original, restored);
    const auto near = [&](double found, long double wanted) {
      EXPECT_NEAR(found, static_cast<double>(wanted), static_cast<double>(wanted) * tolerance) << length;
    };
    near(d.sum_abs, abs);
    near(d.sum_rel, rel);
    near(d.sum_squared_error, squared);
    near(d.sum_original_squared, o2);
    near(d.sum_restored_squared, q2);
    near(d.sum_product, product);
    EXPECT_EQ(d.max_abs, static_cast<double>(max_abs));  // exact
    near(d.max_rel, max_rel);
    EXPECT_EQ(std::fabs(static_cast<double>(original[d.max_abs_index]) -
                        static_cast<double>(restored[d.max_abs_index])),
              d.max_abs);
  }
}

// The quick ways for identical and for non-finite blocks must not show in the sums.
TEST(Difference, QuickWaysGiveTheSameBits) {
  const std::vector<float> original = normal_values(1024, 6);
  std::vector<float> almost = original;
  almost[500] = -almost[500];  // same square, forces the full sums
  EXPECT_EQ(measure_difference(original, original).sum_original_squared,
            measure_difference(original, almost).sum_original_squared);
  EXPECT_EQ(measure_difference(original, original).sum_restored_squared,
            measure_difference(original, almost).sum_restored_squared);
  std::vector<float> zeroed = truncated(original), holed = original, holed_restored = zeroed;
  holed[3] = kNan;
  std::vector<float> plain = original;
  plain[3] = zeroed[3] = 0;
  const Difference with_nan = measure_difference(holed, holed_restored);
  const Difference with_zero = measure_difference(plain, zeroed);
  EXPECT_EQ(with_nan.sum_rel, with_zero.sum_rel);
  EXPECT_EQ(with_nan.sum_squared_error, with_zero.sum_squared_error);
}

TEST(Difference, WholeRangeOfF32) {
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> original = {largest, 0x1p-149f}, restored = {-largest, 0};
  const Difference d = measure_difference(original, restored);
  EXPECT_EQ(d.max_abs, 2 * static_cast<double>(largest));
  EXPECT_EQ(d.cosine(), -1);
  EXPECT_NEAR(d.snr_db(), 10 * std::log10(0.25), 1e-12);
}

TEST(DifferenceDeathTest, WrongCallsAbort) {
  const std::vector<float> one(1), two(2);
  EXPECT_DEATH(measure_difference(one, two), "original.size");
  EXPECT_DEATH(measure_difference(one, one, 0.0), "epsilon");
  EXPECT_DEATH(measure_difference(one, one, NAN), "epsilon");
}

// The numbers of the experiment: Llama-3.2-1B's rope_freqs.weight truncated to BF16.
TEST(Difference, RopeFrequenciesOfTheExperiment) {
  std::vector<float> original(32);
  std::ifstream file(std::string(FAKEQUANT_SHARED_DIR) + "/models/rope_freqs_llama32_1b.f32",
                     std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(original.data()), 128)) GTEST_SKIP() << "no ../shared/models";
  const Difference d = measure_difference(original, truncated(original));
  EXPECT_EQ(d.changed_count, 3u);
  EXPECT_NEAR(d.max_abs, 4.1731e-02, 5e-7);
  EXPECT_NEAR(d.mean_abs(), 1.7386e-03, 5e-8);
  EXPECT_NEAR(d.max_rel, 0.004317, 5e-7);
}

// Values made by integer arithmetic alone: the same bits at every SIMD level; the sanitizer build runs the
// baseline copy.
TEST(Difference, SameBitsOnEveryProcessor) {
  std::vector<float> original(10007);
  uint32_t state = 1;
  for (float& value : original) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state) >> 8) * 0x1p-25f;
  }
  const Difference d = measure_difference(original, truncated(original));
  EXPECT_EQ(d.sum_abs, 0x1.9b5750cp+1);
  EXPECT_EQ(d.sum_rel, 0x1.add59ea1ebb34p+4);
  EXPECT_EQ(d.sum_squared_error, 0x1.d3ec3860dbp-10);
  EXPECT_EQ(d.sum_original_squared, 0x1.9ce2b873f38a8p+7);
  EXPECT_EQ(d.sum_product, 0x1.9bdb9872da785p+7);
}

TEST(MeasureDifference, CountsChangesThatNoMeasureCanTell) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> original{1, nan, inf, inf, nan, 2};
  const std::vector<float> restored{nan, nan, inf, -inf, 3, 2};
  const Difference found = measure_difference(original, restored);
  EXPECT_EQ(found.nonfinite_count, 5u);
  EXPECT_EQ(found.nonfinite_changes, 3u);  // 1 to NaN, Inf to -Inf, NaN to 3
  EXPECT_EQ(found.new_nonfinite, 1u);
  EXPECT_EQ(found.changed_count, 3u);
  Difference twice = found;
  twice.merge(found);
  EXPECT_EQ(twice.nonfinite_changes, 6u);
}

TEST(Difference, TellsSignsOfZerosFromOtherChanges) {
  const auto of = [](std::vector<float> o, std::vector<float> q) { return measure_difference(o, q); };
  EXPECT_TRUE(of({-0.0f, 1.0f}, {0.0f, 1.0f}).only_signs_of_zeros());
  EXPECT_FALSE(of({0.0f, 1.0f}, {0.0f, 1.0f}).only_signs_of_zeros());
  EXPECT_FALSE(of({-0.0f, 1.0f}, {0.0f, 2.0f}).only_signs_of_zeros());
  EXPECT_FALSE(of({-0.0f, 1.0f}, {0.0f, NAN}).only_signs_of_zeros());
}

}  // namespace
}  // namespace fakequant
