#pragma once
// A regular file, open: what may be one, and reading it from start to end. Knows nothing of what is in it.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace fakequant {

class RegularFile {
 public:
  // Opens a file, to read it or (`flags` as of open(2)) to write it; it is closed in programs that this one starts.
  //
  //   throws   Error: it cannot be opened, or is a folder, a pipe or a device
  RegularFile(std::string path, int flags);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }

  // Hands on what follows, block by block, up to the end, or until `block` returns false. Throws Error where it cannot be read.
  void read(const std::function<bool(std::string_view block)>& block);

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace fakequant
