#include "base/parallel.h"

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <utility>

namespace fakequant {

namespace {

// That of the innermost living ThreadLimit. TBB's own arena has no more places than the machine has
// processors.
tbb::task_arena* limited_arena = nullptr;

}  // namespace

// Made in place: a copy of a tbb::global_control compiles, and limits nothing.
struct ThreadLimit::Control {
  explicit Control(int threads)
      : limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads)),
        arena(threads),
        outer_arena(std::exchange(limited_arena, &arena)) {}
  ~Control() { limited_arena = outer_arena; }
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  tbb::global_control limit;
  tbb::task_arena arena;
  tbb::task_arena* outer_arena;
};

ThreadLimit::ThreadLimit(int thread_count)
    : control_(
          std::make_unique<Control>(thread_count > 0 ? thread_count : tbb::info::default_concurrency())) {}

ThreadLimit::~ThreadLimit() = default;

void parallel_for(size_t count, const std::function<void(size_t)>& body) {
  auto work = [&] { tbb::parallel_for(size_t{0}, count, size_t{1}, body, tbb::simple_partitioner()); };
  if (limited_arena != nullptr) {
    limited_arena->execute(work);
  } else {
    work();
  }
}

size_t thread_slot() {
  return static_cast<size_t>(tbb::this_task_arena::current_thread_index());
}

size_t max_thread_slots() {
  int slots =
      limited_arena != nullptr ? limited_arena->max_concurrency() : tbb::this_task_arena::max_concurrency();
  return static_cast<size_t>(slots);
}

}  // namespace fakequant
