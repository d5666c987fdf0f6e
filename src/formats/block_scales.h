#pragma once
// Finds the scales of blocks. Internal to formats: nothing here is for other folders.

#include <cstddef>
#include <span>

#include "base/simd.h"
#include "formats/block_format.h"
#include "formats/scale_range.h"

namespace fakequant {

// The most blocks whose scales are computed together.
inline constexpr size_t kBlocksAtOnce = 128;

// What the values sharing one scale are rounded with.
struct BlockScale {
  float scale;
  float inverse;  // 1 / scale
  float lowest;   // integers: code range, zero point already taken off
  float highest;
};

// The scales of some blocks, field by field so that the loops over them vectorize.
struct BlockScales {
  float scale[kBlocksAtOnce] = {};
  float inverse[kBlocksAtOnce] = {};
  float lowest[kBlocksAtOnce] = {};
  float highest[kBlocksAtOnce] = {};
  // Whether every block rounds by the plain loop: a scale above 0 and an inverse within F32, products within F32 too.
  bool plain = true;

  FQ_INLINE BlockScale at(size_t b) const { return {scale[b], inverse[b], lowest[b], highest[b]}; }
};

// The scales of consecutive blocks of `block` values, at most kBlocksAtOnce of them, as round_blocks() describes them.
// `tensor_amax` is of the whole tensor, for ScaleType::e4m3_tensor.
void find_block_scales(const BlockFormat& format, float tensor_amax, std::span<const float> values,
                       size_t block, BlockScales& scales);

// The one scale that `range` gives, as round_with_range() describes it.
void find_shared_scale(const BlockFormat& format, const ScaleRange& range, BlockScales& scales);

}  // namespace fakequant
