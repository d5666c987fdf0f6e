#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace fakequant {
namespace {

TEST(ParallelFor, CallsEveryIndexOnce) {
  for (int threads : {1, 2, 7}) {
    ThreadLimit limit(threads);
    std::vector<std::atomic<int>> calls(1000);
    parallel_for(calls.size(), [&](size_t i) { ++calls[i]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelFor, RethrowsAnException) {
  EXPECT_THROW(parallel_for(100, [](size_t i) { if (i == 50) throw std::runtime_error("x"); }), std::runtime_error);
}

TEST(ThreadSlot, LiesBelowTheNumberOfSlots) {
  ThreadLimit limit(4);
  std::atomic<bool> inside = true;
  parallel_for(1000, [&](size_t) { if (thread_slot() >= max_thread_slots()) inside = false; });
  EXPECT_TRUE(inside);
}

}  // namespace
}  // namespace fakequant
