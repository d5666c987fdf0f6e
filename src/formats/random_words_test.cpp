#include "formats/random_words.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace fakequant {
namespace {

std::vector<uint32_t> words_of(uint64_t key, uint64_t first, size_t count) {
  std::vector<uint32_t> words(count);
  fill_random_words(key, first, words);
  return words;
}

// Threefry-2x32 as the paper writes it: a loop over rounds, the key injected after every fourth.
std::array<uint32_t, 2> threefry(int rounds, std::array<uint32_t, 2> counter, std::array<uint32_t, 2> key) {
  const int rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t keys[3] = {key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]};
  uint32_t x = counter[0] + keys[0];
  uint32_t y = counter[1] + keys[1];
  for (int round = 0; round < rounds; ++round) {
    x += y;
    y = (y << rotations[round % 8]) | (y >> (32 - rotations[round % 8]));
    y ^= x;
    if (round % 4 != 3) continue;
    auto injection = static_cast<uint32_t>(round / 4 + 1);
    x += keys[injection % 3];
    y += keys[(injection + 1) % 3] + injection;
  }
  return {x, y};
}

// The known answers of Random123, the authors' library (kat_vectors).
TEST(RandomWords, AreThreefryWith13Rounds) {
  EXPECT_EQ(words_of(0, 0, 2), (std::vector<uint32_t>{0x9d1c5ec6, 0x8bd50731}));
  EXPECT_EQ(threefry(13, {0, 0}, {0, 0}), (std::array<uint32_t, 2>{0x9d1c5ec6, 0x8bd50731}));
  EXPECT_EQ(threefry(13, {0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 2>{0xfd36d048, 0x2d17272c}));
  EXPECT_EQ(threefry(13, {0x243f6a88, 0x85a308d3}, {0x13198a2e, 0x03707344}),
            (std::array<uint32_t, 2>{0xba3e4725, 0xf27d669e}));
}

// Also where the counter's low half wraps, and at odd places.
TEST(RandomWords, Words2iAnd2iPlus1AreWhatCounterIBecomes) {
  for (uint64_t key : {uint64_t{0}, uint64_t{1}, uint64_t{0x0370734413198a2e}, ~uint64_t{0}}) {
    const std::array<uint32_t, 2> halves{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
    for (uint64_t first : {uint64_t{0}, uint64_t{1}, (uint64_t{1} << 33) - 7, (uint64_t{1} << 33) - 6,
                           (uint64_t{1} << 34) + 3, uint64_t{0x0FEDCBA987654321}}) {
      std::vector<uint32_t> words = words_of(key, first, 40);
      for (uint64_t i = 0; i < words.size(); ++i) {
        uint64_t counter = (first + i) / 2;
        auto pair =
            threefry(13, {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32)}, halves);
        ASSERT_EQ(words[i], pair[(first + i) % 2]) << "key " << key << " word " << first + i;
      }
    }
  }
}

TEST(RandomWords, AWordDoesNotDependOnWhereACallBegan) {
  std::vector<uint32_t> whole = words_of(42, 0, 300);
  for (size_t first = 0; first < 20; ++first) {
    for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{64}, size_t{101}, size_t{280}}) {
      std::vector<uint32_t> part = words_of(42, first, count);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(first)))
          << first;
    }
  }
}

// Chi-square of `counts` against equal shares, in standard deviations from its mean.
double chi_square_deviation(const std::vector<uint64_t>& counts) {
  double total = 0;
  for (uint64_t count : counts) total += static_cast<double>(count);
  double expected = total / static_cast<double>(counts.size());
  double sum = 0;
  for (uint64_t count : counts) sum += std::pow(static_cast<double>(count) - expected, 2) / expected;
  double freedom = static_cast<double>(counts.size() - 1);
  return (sum - freedom) / std::sqrt(2 * freedom);
}

// Bytes at each of the four places, within a sequence and over keys that follow each other, are equally
// frequent.
TEST(RandomWords, BytesAreEquallyFrequent) {
  std::vector<uint32_t> sequence = words_of(7, 0, 1 << 17);
  std::vector<uint32_t> over_keys(1 << 16);
  for (size_t key = 0; key < over_keys.size(); ++key) fill_random_words(key, 0, {&over_keys[key], 1});
  for (const std::vector<uint32_t>& words : {sequence, over_keys}) {
    for (int place = 0; place < 4; ++place) {
      std::vector<uint64_t> counts(256);
      for (uint32_t word : words) ++counts[(word >> (8 * place)) & 0xFF];
      EXPECT_LT(std::abs(chi_square_deviation(counts)), 5.0) << "byte " << place;
    }
  }
}

// The pairs (4 bits of a word, 4 of the next), of neighbours in a sequence and of the same place under the
// next key.
TEST(RandomWords, NeighboursAndSequencesAreUnrelated) {
  std::vector<uint32_t> words = words_of(7, 0, 1 << 17);
  std::vector<uint32_t> next_key = words_of(8, 0, 1 << 17);
  for (int shift : {0, 12, 28}) {
    std::vector<uint64_t> in_sequence(256);
    std::vector<uint64_t> two_apart(256);
    std::vector<uint64_t> over_keys(256);
    for (size_t i = 0; i + 2 < words.size(); ++i) {
      uint32_t bits = (words[i] >> shift) & 15;
      ++in_sequence[bits * 16 + ((words[i + 1] >> shift) & 15)];
      ++two_apart[bits * 16 + ((words[i + 2] >> shift) & 15)];
      ++over_keys[bits * 16 + ((next_key[i] >> shift) & 15)];
    }
    EXPECT_LT(std::abs(chi_square_deviation(in_sequence)), 5.0) << shift;
    EXPECT_LT(std::abs(chi_square_deviation(two_apart)), 5.0) << shift;
    EXPECT_LT(std::abs(chi_square_deviation(over_keys)), 5.0) << shift;
  }
}

TEST(RandomKey, DiffersForEverySeedAndName) {
  std::set<uint64_t> keys;
  size_t count = 0;
  // Names that differ in length alone, in what a name's end is marked with, and by one letter in any place.
  std::vector<std::string> names{
      "",     "a", "b", "ab", "ba", std::string(1, '\0'), std::string(2, '\0'), "\x80", std::string("a\0", 2),
      "a\x80"};
  for (size_t length : {7, 8, 9, 16, 17}) {
    names.push_back(std::string(length, '\0'));
    names.push_back(std::string(length, 'x'));
    for (size_t place = 0; place < length; ++place) {
      names.push_back(std::string(length, 'x'));
      names.back()[place] = 'y';
    }
  }
  for (int block = 0; block < 100; ++block)
    names.push_back("blk." + std::to_string(block) + ".ffn_down.weight");
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{1} << 32, ~uint64_t{0}}) {
    for (const std::string& name : names) {
      keys.insert(random_key(seed, name));
      EXPECT_EQ(random_key(seed, name), random_key(seed, name));
      ++count;
    }
  }
  EXPECT_EQ(keys.size(), count);
}

}  // namespace
}  // namespace fakequant
