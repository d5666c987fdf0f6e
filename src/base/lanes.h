#pragma once
// Sums in 16 lanes: loops over lane arrays vectorize without fast-math, and because the lanes and the order
// in which they are joined are part of the source, sums have the same bits at every SIMD level. Knows no domain.

#include <cstddef>

#include "base/simd.h"

namespace fakequant {

inline constexpr size_t kLanes = 16;

FQ_INLINE double sum_of_lanes(const double (&lanes)[kLanes]) {
  double half[8];
  for (size_t i = 0; i < 8; ++i) half[i] = lanes[i] + lanes[i + 8];
  return ((half[0] + half[4]) + (half[2] + half[6])) + ((half[1] + half[5]) + (half[3] + half[7]));
}

template <typename T>
FQ_INLINE T max_of_lanes(const T (&lanes)[kLanes]) {
  T most = lanes[0];
  for (T lane : lanes) most = most < lane ? lane : most;
  return most;
}

template <typename T>
FQ_INLINE T min_of_lanes(const T (&lanes)[kLanes]) {
  T least = lanes[0];
  for (T lane : lanes) least = lane < least ? lane : least;
  return least;
}

}  // namespace fakequant
