#include "gguf/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "a special file";
}

void require_regular(const std::string& path, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return;
  throw Error("{}: found {}, wanted a regular file", printable(path), kind_of(status.st_mode));
}

[[noreturn]] void fail_to_open(const std::string& path) {
  throw Error("{}: cannot be opened for reading: {}", printable(path), std::strerror(errno));
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Asked before open: opening a device can act on it (rewind a tape), and a socket cannot be opened at all.
  struct stat status;
  if (stat(path.c_str(), &status) != 0) fail_to_open(path);
  require_regular(path, status);

  // O_NONBLOCK: should a named pipe have taken the file's place by now, open must not wait for its writer.
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor_ < 0) fail_to_open(path);
  try {
    if (fstat(descriptor_, &status) != 0) fail_to_open(path);
    require_regular(path, status);
    if (std::cmp_greater(status.st_size, SIZE_MAX)) {
      throw Error("{}: found {} bytes, more than this machine can map", printable(path), status.st_size);
    }
    if (status.st_size == 0) return;
    size_t size = static_cast<size_t>(status.st_size);
    void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (map == MAP_FAILED) {
      throw Error("{}: cannot be mapped into memory ({}): {}", printable(path), format_bytes(size),
                  std::strerror(errno));
    }
    // A hint only: tensors are read from start to end, once.
    static_cast<void>(posix_madvise(map, size, POSIX_MADV_SEQUENTIAL));
    data_ = static_cast<const std::byte*>(map);
    size_ = size;
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

MappedFile MappedFile::over(std::string name, std::span<const std::byte> bytes) {
  MappedFile result;
  result.path_ = std::move(name);
  result.data_ = bytes.data();
  result.size_ = bytes.size();
  return result;
}

void MappedFile::read(uint64_t offset, std::span<std::byte> target) const {
  FQ_CHECK(descriptor_ >= 0);
  while (!target.empty()) {
    ssize_t count = pread(descriptor_, target.data(), target.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error("{}: at byte {}: cannot be read: {}", printable(path_), offset, std::strerror(errno));
    }
    if (count == 0) {
      throw Error(
          "{}: at byte {}: found the end of the file, wanted {} more bytes; it became shorter while it was "
          "read",
          printable(path_), offset, target.size());
    }
    target = target.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
}

MappedFile::~MappedFile() {
  if (descriptor_ < 0) return;
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  close(descriptor_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace fakequant
