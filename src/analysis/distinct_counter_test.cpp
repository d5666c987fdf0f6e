#include "analysis/distinct_counter.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>

namespace fakequant {
namespace {

std::vector<float> patterns(uint32_t first, uint32_t count, uint32_t step) {
  std::vector<float> values;
  for (uint32_t i = 0; i < count; ++i) values.push_back(std::bit_cast<float>(first + i * step));
  return values;
}

TEST(DistinctCounter, NothingIsZero) {
  EXPECT_EQ(DistinctCounter().count(), 0u);
}

TEST(DistinctCounter, CountsPatternsNotValues) {
  DistinctCounter counter;
  const uint32_t bits[] = {0, 0x80000000u, 0x7fc00000u, 0x7fc00001u,
                           0, 0x3f800000u, 0xffffffffu, 0xffffffffu};
  for (const uint32_t pattern : bits) {
    const float value = std::bit_cast<float>(pattern);
    counter.add({&value, 1});
  }
  EXPECT_EQ(counter.count(), 6u);
}

TEST(DistinctCounter, TheFirstValueCountsWhateverItIs) {
  for (const uint32_t pattern : {0u, 1u, 0xfffffffeu, 0xffffffffu, 0x80000000u}) {
    DistinctCounter counter;
    counter.add(patterns(pattern, 1, 0));
    EXPECT_EQ(counter.count(), 1u);
  }
}

TEST(DistinctCounter, IsExactToItsLimitAndSilentBeyond) {
  for (const uint32_t step : {1u, 3u, 0x10000u, 0x2000u}) {
    DistinctCounter counter;
    counter.add(patterns(0, 65536, step));
    counter.add(patterns(0, 65536, step));
    EXPECT_EQ(counter.count(), 65536u) << step;
    if (step == 0x10000u) continue;  // those are all there are
    counter.add(patterns(65536 * step, 1, 1));
    EXPECT_EQ(counter.count(), std::nullopt) << step;
    counter.add(patterns(0, 10, 1));
    EXPECT_EQ(counter.count(), std::nullopt) << step;
  }
}

TEST(DistinctCounter, ZeroCountsTowardsTheLimit) {
  DistinctCounter counter;
  counter.add(patterns(1, 65536, 1));
  EXPECT_EQ(counter.count(), 65536u);
  counter.add(patterns(0, 1, 1));
  EXPECT_EQ(counter.count(), std::nullopt);
}

TEST(DistinctCounter, MergesToTheExactUnion) {
  std::mt19937 random(3);
  std::set<uint32_t> reference;
  DistinctCounter forward, backward;
  std::vector<DistinctCounter> parts(7);
  for (DistinctCounter& part : parts) {
    std::vector<float> values(5000);
    for (float& value : values) {
      const auto bits = static_cast<uint32_t>(random() % 20000) << 13;
      reference.insert(bits);
      value = std::bit_cast<float>(bits);
    }
    part.add(values);
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    forward.merge(parts[i]);
    backward.merge(parts[parts.size() - 1 - i]);
  }
  EXPECT_EQ(forward.count(), reference.size());
  EXPECT_EQ(backward.count(), reference.size());
}

TEST(DistinctCounter, MergingSeesTheLimit) {
  DistinctCounter low, high, same, more;
  low.add(patterns(0, 40000, 1));
  high.add(patterns(30000, 35536, 1));
  low.merge(high);
  EXPECT_EQ(low.count(), 65536u);
  same.add(patterns(100, 50000, 1));
  low.merge(same);
  EXPECT_EQ(low.count(), 65536u);
  more.add(patterns(65536, 1, 1));
  low.merge(more);
  EXPECT_EQ(low.count(), std::nullopt);
  more.merge(low);
  EXPECT_EQ(more.count(), std::nullopt);
}

}  // namespace
}  // namespace fakequant
