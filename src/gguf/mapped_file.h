#pragma once
// A file mapped read-only into memory. Knows nothing of GGUF.

#include <cstddef>
#include <span>
#include <string>

namespace fakequant {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws Error when `path` is missing, unreadable, or not a regular file. An empty file maps to no bytes.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  // Bytes that are in memory already, under a name for messages; they must outlive the result, which has no
  // descriptor.
  static MappedFile over(std::string name, std::span<const std::byte> bytes);

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Reads bytes of the file at `offset` into all of `target`, not through the map. Throws Error when the file has become
  // shorter or cannot be read.
  void read(uint64_t offset, std::span<std::byte> target) const;
  int descriptor() const { return descriptor_; }  // -1 when there is none

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int descriptor_ = -1;
};

}  // namespace fakequant
