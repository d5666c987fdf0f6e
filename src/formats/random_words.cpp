#include "formats/random_words.h"

#include <algorithm>

#include "base/simd.h"

namespace fakequant {

namespace {

struct Pair {
  uint32_t a;
  uint32_t b;
};

template <int rotation>
FQ_INLINE void mix(uint32_t& a, uint32_t& b) {
  a += b;
  b = (b << rotation) | (b >> (32 - rotation));
  b ^= a;
}

FQ_INLINE Pair threefry(uint32_t key0, uint32_t key1, uint32_t counter0, uint32_t counter1) {
  const uint32_t key2 = 0x1BD11BDAu ^ key0 ^ key1;
  uint32_t a = counter0 + key0;
  uint32_t b = counter1 + key1;
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
  a += key1, b += key2 + 1;
  mix<17>(a, b), mix<29>(a, b), mix<16>(a, b), mix<24>(a, b);
  a += key2, b += key0 + 2;
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
  a += key0, b += key1 + 3;
  mix<17>(a, b);
  return {a, b};
}

// Both words of `count` counters from `first` on; the low half of `first` does not wrap among them.
FQ_VECTORIZED void fill_pairs(uint32_t key0, uint32_t key1, uint64_t first, uint32_t* words, size_t count) {
  const auto low = static_cast<uint32_t>(first);
  const auto high = static_cast<uint32_t>(first >> 32);
  for (size_t i = 0; i < count; ++i) {
    Pair pair = threefry(key0, key1, low + static_cast<uint32_t>(i), high);
    words[2 * i] = pair.a;
    words[2 * i + 1] = pair.b;
  }
}

}  // namespace

void fill_random_words(uint64_t key, uint64_t first, std::span<uint32_t> words) {
  const auto key0 = static_cast<uint32_t>(key);
  const auto key1 = static_cast<uint32_t>(key >> 32);
  auto word_at = [&](uint64_t index) {
    Pair pair = threefry(key0, key1, static_cast<uint32_t>(index / 2), static_cast<uint32_t>(index >> 33));
    return index % 2 == 0 ? pair.a : pair.b;
  };
  size_t done = 0;
  if (first % 2 == 1 && !words.empty()) words[done++] = word_at(first);
  while (words.size() - done >= 2) {
    uint64_t counter = (first + done) / 2;
    uint64_t before_wrap = (uint64_t{1} << 32) - static_cast<uint32_t>(counter);
    size_t count = std::min<uint64_t>((words.size() - done) / 2, before_wrap);
    fill_pairs(key0, key1, counter, words.data() + done, count);
    done += 2 * count;
  }
  if (done < words.size()) words[done] = word_at(first + done);
}

uint64_t random_key(uint64_t seed, std::span<const char> name) {
  // The name's bytes through the same function, as a chain: each step's result is the next one's key.
  uint64_t key = seed;
  uint64_t block = 0;
  size_t filled = 0;
  auto absorb = [&] {
    Pair pair = threefry(static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32),
                         static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32));
    key = pair.a | (uint64_t{pair.b} << 32);
    block = 0;
    filled = 0;
  };
  for (char byte : name) {
    block |= uint64_t{static_cast<unsigned char>(byte)} << (8 * filled);
    if (++filled == 8) absorb();
  }
  block |= uint64_t{0x80} << (8 * filled);  // the end: names of different lengths differ
  absorb();
  return key;
}

}  // namespace fakequant
