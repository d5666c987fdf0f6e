#pragma once
// Blocks on their way through rounding. Internal to formats: nothing here is for other folders.

#include <algorithm>
#include <cstdint>

#include "formats/block_scales.h"
#include "formats/kernel.h"

namespace fakequant {

// Blocks of one length.
struct Blocks {
  const BlockScales& scales;
  size_t first;  // index of the first block in `scales`
  size_t count;
  size_t length;
  float* values;
  const uint32_t* words;  // for Rounding::sr
  size_t ahead;  // how far behind a value the one lies that will be read while the next scales are found
};

// The parts of `blocks` of at most `most` values: several blocks, or a part of one.
template <class Body>
void for_each_part(const Blocks& blocks, size_t most, Body body) {
  for (size_t b = 0; b < blocks.count;) {
    const size_t taken = std::clamp<size_t>(most / blocks.length, 1, blocks.count - b);
    for (size_t done = 0; done < blocks.length;) {
      const size_t length = taken > 1 ? blocks.length : std::min(most, blocks.length - done);
      const size_t offset = b * blocks.length + done;
      body(Blocks{blocks.scales, blocks.first + b, taken, length, blocks.values + offset,
                  blocks.words != nullptr ? blocks.words + offset : nullptr, blocks.ahead},
           offset);
      done += length;
    }
    b += taken;
  }
}

namespace kernel {

// Asks for values that the search for the next blocks' scales will read: it would wait for memory, which has nothing to
// do while these are rounded. Harmless behind the end; long blocks need no help.
FQ_INLINE void prefetch_ahead(const Blocks& blocks, const float* values) {
  constexpr size_t kLine = 64 / sizeof(float);
  constexpr size_t kLongest = 64;
  if (blocks.length > kLongest) return;
  for (size_t i = 0; i < blocks.length; i += kLine) __builtin_prefetch(values + blocks.ahead + i);
}

FQ_INLINE void make_zeros(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i)
    values[i] = choose(values[i] == values[i], 0.0f, float_of(bits_of(values[i]) | kQuiet));
}

}  // namespace kernel

}  // namespace fakequant
