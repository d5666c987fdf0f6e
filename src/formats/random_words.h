#pragma once
// Random words for stochastic rounding that are a function of a key and an index: no state, so that results do not
// depend on threads, pieces or the order of tensors.

#include <cstdint>
#include <span>

namespace fakequant {

// Fills `words` with the words of the sequence `key` from index `first` on. Word i of a sequence never depends on
// where a call began. Different keys give unrelated sequences.
//
// Threefry-2x32 with 13 rounds; words 2i and 2i + 1 are what counter i becomes. Source: Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC11.
void fill_random_words(uint64_t key, uint64_t first, std::span<uint32_t> words);

// The key of the values called `name` under a user's seed.
uint64_t random_key(uint64_t seed, std::span<const char> name);

}  // namespace fakequant
