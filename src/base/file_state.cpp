#include "base/file_state.h"

#include <sys/stat.h>

#include <utility>

namespace fakequant {

FileState::Facts FileState::facts_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino), status.st_size,
          status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

FileState::FileState(std::string path) : path_(std::move(path)), facts_(facts_of(path_)) {}

bool FileState::is_current() const {
  Facts now = facts_of(path_);
  bool is_the_same_file = now.size >= 0 && now.device == facts_.device && now.node == facts_.node;
  if (!is_the_same_file) return true;
  return now.size == facts_.size && now.seconds == facts_.seconds && now.nanoseconds == facts_.nanoseconds;
}

}  // namespace fakequant
