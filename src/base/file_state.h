#pragma once
// Whether a file is still the one that was opened. Knows nothing of what is in it.

#include <cstdint>
#include <string>

namespace fakequant {

class FileState {
 public:
  // What the system says of the file now: which it is, its size, and when it was written last.
  explicit FileState(std::string path);

  const std::string& path() const { return path_; }
  // Whether the system still says the same. A file that has been removed, or replaced under its name, counts as
  // current: what is open stays as it was.
  bool is_current() const;

 private:
  struct Facts {
    uint64_t device = 0;
    uint64_t node = 0;
    int64_t size = -1;  // -1: there is no such file
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
  };
  static Facts facts_of(const std::string& path);

  std::string path_;
  Facts facts_;
};

}  // namespace fakequant
