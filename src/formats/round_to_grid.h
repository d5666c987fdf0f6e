#pragma once
// Rounds values to a floating-point grid, each by itself: no scales, no blocks.

#include <cstdint>
#include <span>

#include "formats/block_format.h"

namespace fakequant {

// Rounds every value of `values` to the nearest (or as `rounding` says) value of `grid`.
//
//   NaN      stays NaN (quiet) in every format, also in those that have none: a fault must not vanish
//   overflow decided after rounding; as `overflow` says, but rtz never makes an Inf of a finite value
//   Inf      stays Inf when `overflow` is infinite and the grid has Inf, NaN when it has NaN alone; else the largest
//            value
//   -0       stays -0, but becomes +0 in fnuz grids, where so does what underflows
//   subnormals of the grid are produced exactly, those of F32 are read exactly
//   words    one random word per value for Rounding::sr, else not read; a value moves up with the probability of its
//            distance from below in steps, exact to 2^-31, and what the grid holds never moves
//
// Twice gives the same bits as once. Every value of the grid must be an F32 value (checked). Source: OCP 8-bit Floating
// Point Specification 1.0; IEEE 754-2019; stochastic rounding as gfloat's StochasticFastest.
void round_to_grid(const FloatGrid& grid, Rounding rounding, Overflow overflow, std::span<float> values,
                   std::span<const uint32_t> words = {});

}  // namespace fakequant
