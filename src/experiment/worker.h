#pragma once
// The worker's side of a run: plans the same experiment and makes the measurements that it is asked for, one after the other, with the
// models kept loaded in between. Knows no journal.

#include <functional>
#include <string>

#include "experiment/config.h"

namespace fakequant {

// How the worker is spoken to.
struct WorkerChannel {
  std::function<bool(std::string& line)> receive;  // the next request; false when there will be none
  std::function<void(const std::string& line)> send;
};

// Answers requests until there are no more. What a measurement throws becomes its failure; a request that is none, or that is not of this
// plan, throws Error.
void serve_worker(const WorkerChannel& channel, const DemoFiles& demo);

}  // namespace fakequant
