#include "base/parallel.h"

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace fakequant {

struct ThreadLimit::Control {
  tbb::global_control limit;
};

ThreadLimit::ThreadLimit(int thread_count) {
  size_t threads = thread_count > 0 ? static_cast<size_t>(thread_count)
                                    : static_cast<size_t>(tbb::info::default_concurrency());
  control_ = std::make_unique<Control>(
      Control{tbb::global_control(tbb::global_control::max_allowed_parallelism, threads)});
}

ThreadLimit::~ThreadLimit() = default;

void parallel_for(size_t count, const std::function<void(size_t)>& body) {
  tbb::parallel_for(size_t{0}, count, size_t{1}, body, tbb::simple_partitioner());
}

size_t thread_slot() { return static_cast<size_t>(tbb::this_task_arena::current_thread_index()); }

size_t max_thread_slots() { return static_cast<size_t>(tbb::this_task_arena::max_concurrency()); }

}  // namespace fakequant
