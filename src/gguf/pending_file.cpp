#include "gguf/pending_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

// The names of the living temporary files, for signal handlers: each is owned by whoever takes it out of the
// table.
constexpr size_t kMostPendingFiles = 1024;
std::array<std::atomic<char*>, kMostPendingFiles> living_names{};
static_assert(std::atomic<char*>::is_always_lock_free, "signal handlers may not wait for a lock");

// Puts a copy of `path` into the table and returns its place there.
size_t remember(const std::string& path) {
  char* name = strdup(path.c_str());
  FQ_CHECK(name != nullptr);
  for (size_t slot = 0; slot < living_names.size(); ++slot) {
    char* empty = nullptr;
    if (living_names[slot].compare_exchange_strong(empty, name)) return slot;
  }
  std::free(name);
  throw Error("{}: cannot be begun: {} output files are being written already", printable(path),
              kMostPendingFiles);
}

void forget(size_t slot) noexcept {
  std::free(living_names[slot].exchange(nullptr));
}

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The path itself, or where it leads when it is a symbolic link: renaming onto a link would replace the link.
std::string behind_links(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return path;
  std::error_code error;
  std::string result = std::filesystem::canonical(path, error).string();
  if (error) throw Error("{}: is a symbolic link that leads nowhere: {}", printable(path), error.message());
  return result;
}

// A name beside `target` that is most likely unused.
std::string temporary_name(const std::string& target) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr size_t kSuffixLetters = 6;
  size_t slash = target.rfind('/');
  size_t name_start = slash == std::string::npos ? 0 : slash + 1;
  std::string suffix = ".fakequant-";
  std::random_device random;
  for (size_t i = 0; i < kSuffixLetters; ++i) suffix += kLetters[random() % kLetters.size()];
  // A target's name may be as long as names can be.
  std::string name = target.substr(name_start, NAME_MAX - 1 - suffix.size());
  return target.substr(0, name_start) + "." + name + suffix;
}

template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

PendingFile::PendingFile(const std::string& target, uint64_t size) : target_(behind_links(target)) {
  constexpr int kMostAttempts = 100;
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = temporary_name(target_);
    slot_ = remember(temporary_);  // before the file exists, so that no signal finds it unknown
    descriptor_ = open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) break;
    int error_number = errno;
    forget(slot_);
    bool worth_another = error_number == EEXIST || error_number == EINTR;
    if (!worth_another || attempt == kMostAttempts) fail_to_write(error_number);
  }
  int error_number = EFBIG;
  if (size <= static_cast<uint64_t>(INT64_MAX)) {
    if (retry_interrupted([&] { return ftruncate(descriptor_, static_cast<off_t>(size)); }) == 0) return;
    error_number = errno;
  }
  discard();
  fail_to_write(error_number);
}

PendingFile::~PendingFile() {
  discard();
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      slot_(other.slot_),
      synced_(other.synced_) {}

PendingFile& PendingFile::operator=(PendingFile&& other) noexcept {
  std::swap(target_, other.target_);
  std::swap(temporary_, other.temporary_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(slot_, other.slot_);
  std::swap(synced_, other.synced_);
  return *this;
}

void PendingFile::discard() noexcept {
  if (descriptor_ < 0) return;
  close(std::exchange(descriptor_, -1));
  unlink(temporary_.c_str());
  forget(slot_);
}

void PendingFile::fail_to_write(int error_number) const {
  std::string folder = printable(folder_of(target_));
  if (error_number == ENOSPC)
    throw Error("{}: cannot be written: disk full (folder {})", printable(target_), folder);
  if (error_number == EDQUOT) {
    throw Error("{}: cannot be written: disk full (your quota in folder {})", printable(target_), folder);
  }
  throw Error("{}: cannot be written in folder {}: {}", printable(target_), folder,
              std::strerror(error_number));
}

void PendingFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  FQ_CHECK(descriptor_ >= 0);
  while (!bytes.empty()) {
    ssize_t written = retry_interrupted(
        [&] { return pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (written < 0) fail_to_write(errno);
    if (written == 0) fail_to_write(EIO);
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
}

void PendingFile::copy_from(const MappedFile& source, uint64_t source_offset, uint64_t offset,
                            uint64_t byte_count) {
  FQ_CHECK(descriptor_ >= 0);
  FQ_CHECK(source_offset <= source.bytes().size() && byte_count <= source.bytes().size() - source_offset);
  if (source.descriptor() < 0) {
    write(offset, source.bytes().subspan(source_offset, byte_count));
    return;
  }
  if (!copy_by_kernel(source.descriptor(), source_offset, offset, byte_count)) {
    copy_by_buffer(source, source_offset, offset, byte_count);
  }
}

// Moves the three on by what it has copied; false when the kernel cannot go on and copying through a buffer
// might.
bool PendingFile::copy_by_kernel(int source, uint64_t& source_offset, uint64_t& offset,
                                 uint64_t& byte_count) {
  // Small enough to end soon after a signal, too large for the calls to cost anything. The first call ends at
  // a multiple of kAlignBytes: calls that start at odd offsets take a quarter longer.
  constexpr uint64_t kChunkBytes = uint64_t{64} << 20;
  constexpr uint64_t kAlignBytes = uint64_t{1} << 20;
  while (byte_count > 0) {
    auto from = static_cast<off64_t>(source_offset);
    auto to = static_cast<off64_t>(offset);
    uint64_t most = offset % kAlignBytes != 0 ? kAlignBytes - offset % kAlignBytes : kChunkBytes;
    size_t chunk = static_cast<size_t>(std::min(byte_count, most));
    ssize_t copied = copy_file_range(source, &from, descriptor_, &to, chunk, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) {
      constexpr int kCannot[] = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP, EPERM};
      if (std::find(std::begin(kCannot), std::end(kCannot), errno) != std::end(kCannot)) return false;
      fail_to_write(errno);
    }
    // The end of the source; on some virtual file systems merely "cannot". The buffer's read tells.
    if (copied == 0) return false;
    source_offset += static_cast<uint64_t>(copied);
    offset += static_cast<uint64_t>(copied);
    byte_count -= static_cast<uint64_t>(copied);
  }
  return true;
}

void PendingFile::copy_by_buffer(const MappedFile& source, uint64_t source_offset, uint64_t offset,
                                 uint64_t byte_count) {
  constexpr uint64_t kBufferBytes = uint64_t{1} << 20;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(byte_count, kBufferBytes)));
  while (byte_count > 0) {
    size_t chunk = static_cast<size_t>(std::min(byte_count, kBufferBytes));
    ssize_t got = retry_interrupted(
        [&] { return pread(source.descriptor(), buffer.data(), chunk, static_cast<off_t>(source_offset)); });
    if (got < 0) {
      throw Error("{}: cannot be read at byte {}: {}", printable(source.path()), source_offset,
                  std::strerror(errno));
    }
    if (got == 0) {
      throw Error(
          "{}: found its end at byte {}, wanted {} bytes more: the file shrank while it was being read",
          printable(source.path()), source_offset, byte_count);
    }
    write(offset, std::span(buffer).first(static_cast<size_t>(got)));
    source_offset += static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
    byte_count -= static_cast<uint64_t>(got);
  }
}

bool PendingFile::clone_from(const MappedFile& source) {
  FQ_CHECK(descriptor_ >= 0);
  if (source.descriptor() < 0 || ioctl(descriptor_, FICLONE, source.descriptor()) != 0) return false;
  struct stat status;
  if (fstat(descriptor_, &status) != 0) fail_to_write(errno);
  if (std::cmp_equal(status.st_size, source.bytes().size())) return true;
  throw Error("{}: found {} bytes, wanted {}: the file changed while it was being read",
              printable(source.path()), status.st_size, source.bytes().size());
}

void PendingFile::sync() {
  FQ_CHECK(descriptor_ >= 0);
  if (retry_interrupted([&] { return fsync(descriptor_); }) != 0) fail_to_write(errno);
  synced_ = true;
}

bool PendingFile::rename_to_target(bool replace) const {
  if (replace) return rename(temporary_.c_str(), target_.c_str()) == 0;
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // File systems without that: a link never replaces.
  if (link(temporary_.c_str(), target_.c_str()) != 0) return false;
  unlink(temporary_.c_str());
  return true;
}

void PendingFile::publish(bool replace) {
  FQ_CHECK(descriptor_ >= 0);
  // Network file systems report a full disk only here; a failing close must leave the target alone.
  int closed = close(std::exchange(descriptor_, -1));
  if ((closed != 0 && errno != EINTR) || !rename_to_target(replace)) {
    int error_number = errno;
    unlink(temporary_.c_str());
    forget(slot_);
    if (error_number == EEXIST) {
      throw Error("{}: appeared while this ran, and stays as it is; --force replaces an existing file",
                  printable(target_));
    }
    fail_to_write(error_number);
  }
  forget(slot_);
  if (!synced_) return;
  // A folder that may be written but not read cannot be opened, and some file systems cannot sync one: then
  // the rename itself is all that can be had.
  int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  int error_number = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  if (error_number == EIO || error_number == ENOSPC || error_number == EDQUOT) fail_to_write(error_number);
}

void remove_pending_files() noexcept {
  int error_number = errno;
  for (std::atomic<char*>& slot : living_names) {
    // Not freed: free() is not allowed in a signal handler, and the process is about to end.
    if (const char* name = slot.exchange(nullptr)) unlink(name);
  }
  errno = error_number;
}

void check_output(const std::string& target, const std::vector<std::string>& inputs, bool force,
                  uint64_t needed_bytes) {
  if (target.empty()) throw Error("found an empty name for the output file, wanted a path");
  std::string path = behind_links(target);
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    for (const std::string& input : inputs) {
      struct stat input_status;
      if (stat(input.c_str(), &input_status) != 0) continue;
      if (input_status.st_dev != status.st_dev || input_status.st_ino != status.st_ino) continue;
      throw Error("{}: is the same file as the input {}; wanted another name for the output",
                  printable(target), printable(input));
    }
    if (S_ISDIR(status.st_mode))
      throw Error("{}: is a folder, wanted the name of a file to write", printable(target));
    if (!S_ISREG(status.st_mode))
      throw Error("{}: is not a regular file, wanted the name of a file to write", printable(target));
    if (!force)
      throw Error("{}: exists already; give another name, or --force to replace it", printable(target));
  } else if (errno != ENOENT && errno != ENOTDIR) {
    throw Error("{}: cannot be written: {}", printable(target), std::strerror(errno));
  }

  std::string folder = folder_of(path);
  if (stat(folder.c_str(), &status) != 0) {
    throw Error("{}: cannot be written: folder {}: {}", printable(target), printable(folder),
                std::strerror(errno));
  }
  if (!S_ISDIR(status.st_mode))
    throw Error("{}: cannot be written: {} is no folder", printable(target), printable(folder));
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    throw Error("{}: cannot be written: folder {}: {}", printable(target), printable(folder),
                std::strerror(errno));
  }
  struct statvfs disk;
  if (statvfs(folder.c_str(), &disk) != 0) return;  // writing will tell
  uint64_t free_bytes;
  if (__builtin_mul_overflow(uint64_t{disk.f_bavail}, uint64_t{disk.f_frsize}, &free_bytes)) return;
  if (needed_bytes <= free_bytes) return;
  throw Error("{}: not enough space in folder {}: {} needed, {} free", printable(target), printable(folder),
              format_bytes(needed_bytes), format_bytes(free_bytes));
}

}  // namespace fakequant
