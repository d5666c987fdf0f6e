#include "record/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr mode_t kPermissions = 0666;  // less the umask, as of any new file

int open_or_throw(const std::string& path, int flags) {
  // O_NONBLOCK: where the path is a named pipe, open must not wait for its other end.
  int descriptor = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, kPermissions);
  if (descriptor >= 0) return descriptor;
  throw Error("{}: cannot be opened: {}", printable(path), std::strerror(errno));
}

}  // namespace

RegularFile::RegularFile(std::string path, int flags)
    : path_(std::move(path)), descriptor_(open_or_throw(path_, flags)) {
  struct stat status;
  int result = fstat(descriptor_, &status);
  if (result == 0 && S_ISREG(status.st_mode)) return;
  bool is_folder = result == 0 && S_ISDIR(status.st_mode);
  close(descriptor_);
  throw Error("{}: found {}, wanted a regular file", printable(path_),
              is_folder ? "a folder" : "a special file");
}

RegularFile::~RegularFile() {
  close(descriptor_);
}

void RegularFile::read(const std::function<bool(std::string_view block)>& block) {
  std::string buffer(kBlockBytes, '\0');
  for (;;) {
    ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("{}: cannot be read: {}", printable(path_), std::strerror(errno));
    if (count == 0 || !block(std::string_view(buffer).substr(0, static_cast<size_t>(count)))) return;
  }
}

}  // namespace fakequant
