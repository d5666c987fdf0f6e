#pragma once
// Reads checked fields from the bytes of a file, for the GGUF reader: every error names file, offset,
// subject, found and wanted. Knows numbers and counted strings, not what they mean.

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "gguf/mapped_file.h"

namespace fakequant {

// Scalars are copied from the file as they are.
static_assert(std::endian::native == std::endian::little, "the GGUF reader needs a little-endian machine");

// A name from the file as errors show it: one screen line at most, whatever the file claims.
inline std::string shown_name(std::string_view name) {
  constexpr size_t kMostBytes = 80;
  return printable(name.substr(0, kMostBytes)) + (name.size() > kMostBytes ? "..." : "");
}

// What an error is about: "version", "key 3 'general.name'", "tensor 0 'output.weight'".
struct Subject {
  std::string_view kind;
  bool numbered = false;
  uint64_t index = 0;
  std::string_view name = {};

  std::string text() const {
    if (!numbered) return std::string(kind);
    if (name.empty()) return fmt::format("{} {}", kind, index);
    return fmt::format("{} {} '{}'", kind, index, shown_name(name));
  }
};

// A mapped file's bytes and a position that never leaves them.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : path_(file.path()), bytes_(file.bytes()) {}

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  std::span<const std::byte> since(uint64_t start) const { return bytes_.subspan(start, offset_ - start); }

  [[noreturn]] void fail(uint64_t offset, const Subject& subject, const std::string& found,
                         const std::string& wanted) const {
    throw Error("{}: at byte {}, {}: found {}, wanted {}", printable(path_), offset, subject.text(), found,
                wanted);
  }

  // Fails unless `byte_count` bytes are left for `part` of the subject.
  void require(uint64_t byte_count, const Subject& subject, std::string_view part) const {
    if (byte_count <= remaining()) return;
    fail(offset_, subject, fmt::format("{} bytes to the end of the file", remaining()),
         fmt::format("{} for {}", byte_count, part));
  }

  std::span<const std::byte> take(uint64_t byte_count, const Subject& subject, std::string_view part) {
    require(byte_count, subject, part);
    offset_ += byte_count;
    return bytes_.subspan(offset_ - byte_count, byte_count);
  }

  template <typename T>
  T read(const Subject& subject, std::string_view part) {
    T value;
    std::memcpy(&value, take(sizeof value, subject, part).data(), sizeof value);
    return value;
  }

  std::string_view read_string(const Subject& subject, std::string_view part) {
    uint64_t start = offset_;
    uint64_t length = read<uint64_t>(subject, part);
    constexpr uint64_t kMostStringBytes = uint64_t{1} << 30;  // ggml's limit
    if (length > kMostStringBytes) {
      fail(start, subject, fmt::format("{} of {} bytes", part, length),
           fmt::format("at most {} (1 GiB)", kMostStringBytes));
    }
    std::span<const std::byte> characters = take(length, subject, part);
    return {reinterpret_cast<const char*>(characters.data()), characters.size()};
  }

 private:
  const std::string& path_;
  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
};

}  // namespace fakequant
