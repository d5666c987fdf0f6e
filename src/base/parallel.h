#pragma once
// Work on several threads with results that do not depend on how many there are. Knows no domain.

#include <cstddef>
#include <functional>
#include <memory>

namespace fakequant {

// Sets the most threads that parallel_for uses for as long as it lives, also more than there are processors;
// 0 means every processor this process may use. Made and destroyed while no parallel_for runs, the last made
// first.
class ThreadLimit {
 public:
  explicit ThreadLimit(int thread_count);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  struct Control;
  std::unique_ptr<Control> control_;
};

// Calls body(index) once for every index in [0, count), balanced over the threads, in no promised order. The
// first exception stops further calls and is rethrown here. Store results by index and merge them in index
// order: then sums do not depend on the number of threads.
void parallel_for(size_t count, const std::function<void(size_t)>& body);

// The index of the calling thread in [0, max_thread_slots()), stable within one body call: for per-thread
// scratch memory.
size_t thread_slot();
size_t max_thread_slots();

}  // namespace fakequant
