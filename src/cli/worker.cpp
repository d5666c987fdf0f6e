// fakequant worker: makes measurements for a run, which starts it. Nobody calls it by hand.

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/command.h"
#include "experiment/child_process.h"
#include "experiment/worker.h"

namespace fakequant::cli {

namespace {

// Reads from the run in lines.
class RequestReader {
 public:
  bool read(std::string& line) {
    while (true) {
      size_t end = received_.find('\n');
      if (end != std::string::npos) {
        line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return true;
      }
      char buffer[1 << 16];
      ssize_t count = ::read(kChildSocket, buffer, sizeof(buffer));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0)
        throw Error("a worker: cannot hear its run ({}); it is not meant to be called by hand",
                    std::strerror(errno));
      if (count == 0) return false;
      received_.append(buffer, static_cast<size_t>(count));
    }
  }

 private:
  std::string received_;
};

void write_line(const std::string& line) {
  std::string text = line + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    ssize_t count = ::write(kChildSocket, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("a worker: its run has gone: {}", std::strerror(errno));
    rest.remove_prefix(static_cast<size_t>(count));
  }
}

int run() {
  RequestReader reader;
  WorkerChannel channel{[&](std::string& line) { return reader.read(line); }, write_line};
  serve_worker(channel, demo_files());
  return kDone;
}

}  // namespace

std::function<int()> add_worker(CLI::App&, CommonOptions&) {
  return [] { return run(); };
}

}  // namespace fakequant::cli
