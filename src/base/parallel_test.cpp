#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
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
  EXPECT_THROW(parallel_for(100,
                            [](size_t i) {
                              if (i == 50) throw std::runtime_error("x");
                            }),
               std::runtime_error);
}

TEST(ThreadLimit, IsTheMostThreadsUsed) {
  for (size_t threads : {1, 2, 5}) {
    ThreadLimit limit(static_cast<int>(threads));
    EXPECT_EQ(max_thread_slots(), threads);
    std::mutex mutex;
    std::set<std::thread::id> seen;
    // Whoever comes waits until all have come: on a busy machine the last thread may take its time.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto all_have_come = [&] {
      std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
      return seen.size() >= threads;
    };
    parallel_for(200, [&](size_t) {
      while (!all_have_come() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    });
    EXPECT_EQ(seen.size(), threads);
  }
}

TEST(ThreadLimit, EndsWithItsLife) {
  ThreadLimit outer(3);
  { ThreadLimit inner(1); }
  EXPECT_EQ(max_thread_slots(), 3u);
}

TEST(ThreadSlot, LiesBelowTheNumberOfSlots) {
  ThreadLimit limit(4);
  std::atomic<bool> inside = true;
  parallel_for(1000, [&](size_t) {
    if (thread_slot() >= max_thread_slots()) inside = false;
  });
  EXPECT_TRUE(inside);
}

}  // namespace
}  // namespace fakequant
