#include "record/file_lock.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// The process that holds a flock on the file. Nothing where the kernel does not say, or where it is not ours to see (another machine,
// another container).
std::optional<int> holder_of(const RegularFile& file) {
  struct stat status;
  if (fstat(file.descriptor(), &status) != 0) return std::nullopt;
  std::ifstream table("/proc/locks");
  for (std::string line; std::getline(table, line);) {
    int process;
    unsigned device_major, device_minor;
    unsigned long long node;
    int found = std::sscanf(line.c_str(), "%*d: FLOCK %*s WRITE %d %x:%x:%llu", &process, &device_major,
                            &device_minor, &node);
    bool is_this = found == 4 && node == status.st_ino && device_major == major(status.st_dev) &&
                   device_minor == minor(status.st_dev);
    if (is_this && process > 0) return process;
  }
  return std::nullopt;
}

}  // namespace

void lock_file(const RegularFile& file) {
  while (flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK)
      throw Error("{}: cannot be locked: {}", printable(file.path()), std::strerror(errno));
    std::optional<int> process = holder_of(file);
    throw Error(
        "{}: found it open for writing in {}, wanted to be the only writer; wait until that has ended",
        printable(file.path()), process ? fmt::format("process {}", *process) : "another process");
  }
}

}  // namespace fakequant
