#include "analysis/code_counts.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "analysis/value_facts.h"

namespace fakequant {
namespace {

std::vector<float> decoded(const std::vector<uint16_t>& codes, HalfType type) {
  std::vector<float> values;
  for (const uint16_t code : codes) values.push_back(std::bit_cast<float>(f32_bits_of(type, code)));
  return values;
}

// Codes of ordinary weights; with `special` also every other kind of code.
std::vector<uint16_t> random_codes(size_t count, HalfType type, bool special, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.1f, 0.5f);
  std::vector<uint16_t> codes(count);
  for (uint16_t& code : codes) {
    const uint32_t bits = std::bit_cast<uint32_t>(normal(random));
    const uint32_t exponent = std::max((bits >> 23) & 0xffu, 113u) - 112;
    const uint32_t f16 = ((bits >> 16) & 0x8000u) | (exponent << 10) | ((bits >> 13) & 0x3ffu);
    code = static_cast<uint16_t>(type == HalfType::f16 ? f16 : bits >> 16);
    if (special && random() % 16 == 0) code = static_cast<uint16_t>(random());
  }
  return codes;
}

CodeCounts counts_of(const std::vector<uint16_t>& codes) {
  CodeCounts counts;
  counts.add(codes);
  return counts;
}

void expect_same_counts(const ValueStatistics& a, const ValueStatistics& b) {
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.nan_count, b.nan_count);
  EXPECT_EQ(a.inf_count, b.inf_count);
  EXPECT_EQ(a.zero_count, b.zero_count);
  EXPECT_EQ(a.low16_zero_count, b.low16_zero_count);
  EXPECT_EQ(a.beyond_f16_count, b.beyond_f16_count);
  EXPECT_EQ(a.below_f16_normal_count, b.below_f16_normal_count);
  EXPECT_EQ(a.min(), b.min());
  EXPECT_EQ(a.max(), b.max());
}

void expect_near(double found, double wanted) {
  EXPECT_NEAR(found, wanted, std::fabs(wanted) * 1e-12);
}

TEST(CodeCounts, AgreesWithTheFloatPath) {
  for (const HalfType type : {HalfType::f16, HalfType::bf16}) {
    for (const bool special : {false, true}) {
      const std::vector<uint16_t> codes = random_codes(100001, type, special, 11);
      ValueSurvey survey;
      survey.add(decoded(codes, type));
      const ValueFacts floats = survey.facts();
      const ValueFacts facts = facts_of_codes(counts_of(codes), type);
      expect_same_counts(facts.statistics, floats.statistics);
      EXPECT_EQ(facts.needs, floats.needs);
      EXPECT_EQ(facts.distinct_count, floats.distinct_count);
      EXPECT_EQ(facts.precision, floats.precision);
      // Values of both signs cancel: their mean is known to roundings of their size, not of its own.
      EXPECT_NEAR(facts.statistics.mean(), floats.statistics.mean(),
                  1e-14 * floats.statistics.standard_deviation());
      expect_near(facts.statistics.standard_deviation(), floats.statistics.standard_deviation());
      expect_near(facts.statistics.kurtosis(), floats.statistics.kurtosis());
      expect_near(facts.statistics.largest_outlier(), floats.statistics.largest_outlier());
    }
  }
}

TEST(CodeCounts, EveryCodeOnce) {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  const CodeCounts counts = counts_of(codes);
  EXPECT_EQ(counts.distinct_count(), 65536u);
  EXPECT_EQ(name_of(facts_of_codes(counts, HalfType::f16).precision), "f16");
  EXPECT_EQ(name_of(facts_of_codes(counts, HalfType::bf16).precision), "bf16");
  const ValueStatistics f16 = counts.statistics(HalfType::f16);
  EXPECT_EQ(f16.subnormal_count, 2 * 1023u);
  EXPECT_EQ(f16.below_f16_normal_count, 2 * 1023u);
  EXPECT_EQ(f16.beyond_f16_count, 0u);
  EXPECT_EQ(f16.nan_count, 2 * 1023u);
  EXPECT_EQ(f16.inf_count, 2u);
  EXPECT_EQ(f16.max(), 65504);
  EXPECT_EQ(f16.mean(), 0);
  const ValueStatistics bf16 = counts.statistics(HalfType::bf16);
  EXPECT_EQ(bf16.subnormal_count, 2 * 127u);
  EXPECT_EQ(bf16.nan_count, 2 * 127u);
  EXPECT_EQ(bf16.low16_zero_count, 65536u);
}

TEST(CodeCounts, CountsLikeAPlainLoop) {
  for (const size_t count : {0u, 1u, 2u, 7u, 1001u}) {
    const std::vector<uint16_t> codes = random_codes(count, HalfType::f16, true, 12);
    std::vector<uint64_t> plain(65536);
    for (const uint16_t code : codes) ++plain[code];
    const CodeCounts counts = counts_of(codes);
    for (size_t code = 0; code < 65536; ++code)
      ASSERT_EQ(counts.count_of(static_cast<uint16_t>(code)), plain[code]);
  }
}

TEST(CodeCounts, SpillingLosesNothing) {
  const std::vector<uint16_t> codes = random_codes(10001, HalfType::bf16, true, 13);
  const CodeCounts wanted = counts_of(codes);
  for (const uint64_t spill_after : {1u, 7u, 1000u, 10001u}) {
    CodeCounts counts(spill_after);
    for (size_t start = 0; start < codes.size(); start += 100) {
      counts.add(std::span(codes).subspan(start, std::min<size_t>(100, codes.size() - start)));
    }
    for (size_t i = 0; i < 65536; ++i) {
      ASSERT_EQ(counts.count_of(static_cast<uint16_t>(i)), wanted.count_of(static_cast<uint16_t>(i)));
    }
  }
}

TEST(CodeCounts, MergingIsExactInAnyOrder) {
  std::vector<uint16_t> all;
  std::vector<CodeCounts> parts;
  for (unsigned i = 0; i < 5; ++i) {
    const std::vector<uint16_t> codes = random_codes(3001 + i, HalfType::f16, true, 20 + i);
    parts.push_back(counts_of(codes));
    all.insert(all.end(), codes.begin(), codes.end());
  }
  const ValueStatistics whole = counts_of(all).statistics(HalfType::f16);
  CodeCounts forward, backward;
  for (size_t i = 0; i < 5; ++i) {
    forward.merge(parts[i]);
    backward.merge(parts[4 - i]);
  }
  for (const CodeCounts* merged : {&forward, &backward}) {
    const ValueStatistics s = merged->statistics(HalfType::f16);
    expect_same_counts(s, whole);
    EXPECT_EQ(s.mean(), whole.mean());  // the same bits
    EXPECT_EQ(s.m2, whole.m2);
    EXPECT_EQ(s.m4, whole.m4);
  }
}

TEST(CodeCounts, ManyValuesKeepTheirDigits) {
  CodeCounts counts = counts_of({0x3c00, 0x4000});  // 1, 2
  for (int i = 0; i < 40; ++i) counts.merge(CodeCounts(counts));
  const ValueStatistics s = counts.statistics(HalfType::f16);
  EXPECT_EQ(s.count, uint64_t{1} << 41);
  EXPECT_EQ(s.mean(), 1.5);
  EXPECT_EQ(s.standard_deviation(), 0.5);
  EXPECT_EQ(s.kurtosis(), 1);
}

TEST(CodeCounts, ClearForgetsAll) {
  CodeCounts counts = counts_of({1, 2, 3});
  counts.merge(counts_of({4}));
  counts.clear();
  EXPECT_EQ(counts.distinct_count(), 0u);
  EXPECT_EQ(name_of(facts_of_codes(counts, HalfType::f16).precision), "empty");
}

TEST(ValueSurvey, MergedPiecesGiveTheFactsOfOnePass) {
  const std::vector<float> values = decoded(random_codes(40000, HalfType::f16, true, 30), HalfType::f16);
  ValueSurvey whole, merged;
  whole.add(values);
  for (size_t start = 0; start < values.size(); start += 4096) {  // the pieces in which one pass works
    ValueSurvey part;
    part.add(std::span(values).subspan(start, std::min<size_t>(4096, values.size() - start)));
    merged.merge(part);
  }
  expect_same_counts(merged.facts().statistics, whole.facts().statistics);
  EXPECT_EQ(merged.facts().statistics.mean(), whole.facts().statistics.mean());
  EXPECT_EQ(merged.facts().statistics.m4, whole.facts().statistics.m4);
  EXPECT_EQ(merged.facts().statistics.subnormal_count, whole.facts().statistics.subnormal_count);
  EXPECT_EQ(merged.facts().needs, whole.facts().needs);
  EXPECT_EQ(merged.facts().distinct_count, whole.facts().distinct_count);
  EXPECT_EQ(merged.facts().precision, whole.facts().precision);
}

}  // namespace
}  // namespace fakequant
