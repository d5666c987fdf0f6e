#include "experiment/stop_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace fakequant {

namespace {

std::atomic<int> signal_count{0};
std::atomic<int> last_signal{0};
int wake_pipe[2] = {-1, -1};

extern "C" void on_stop_signal(int number) {
  int problem = errno;
  last_signal = number;
  ++signal_count;
  [[maybe_unused]] ssize_t written = write(wake_pipe[1], "", 1);
  errno = problem;
}

}  // namespace

StopSignals::StopSignals() {
  FQ_CHECK(wake_pipe[0] < 0);
  if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) throw Error("a pipe: {}", std::strerror(errno));
  signal_count = 0;
  last_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigfillset(&action.sa_mask);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    // As nohup wants it.
    if (before.sa_handler == SIG_IGN) continue;
    sigaction(number, &action, nullptr);
    before_.push_back({number, before});
  }
}

StopSignals::~StopSignals() {
  for (const Before& before : before_) sigaction(before.number, &before.action, nullptr);
  close(wake_pipe[0]);
  close(wake_pipe[1]);
  wake_pipe[0] = wake_pipe[1] = -1;
}

int StopSignals::count() const {
  return signal_count;
}

int StopSignals::last() const {
  return last_signal;
}

int StopSignals::descriptor() const {
  return wake_pipe[0];
}

void StopSignals::clear() {
  char buffer[64];
  while (read(wake_pipe[0], buffer, sizeof(buffer)) > 0) {
  }
}

}  // namespace fakequant
