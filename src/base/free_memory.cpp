#include "base/free_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/text.h"

namespace fakequant {

namespace {

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What a control group (version 2) leaves; "max" is no limit.
std::optional<uint64_t> left_in_group() {
  uint64_t limit = 0;
  uint64_t used = 0;
  if (!parse_unsigned(trim(text_of("/sys/fs/cgroup/memory.max")), limit)) return std::nullopt;
  if (!parse_unsigned(trim(text_of("/sys/fs/cgroup/memory.current")), used)) return std::nullopt;
  // Pages of files count as used, and are given up when memory is wanted.
  std::string statistics = text_of("/sys/fs/cgroup/memory.stat");
  for (const std::string& line : split(statistics, '\n')) {
    uint64_t pages = 0;
    for (std::string_view name : {"inactive_file ", "active_file "}) {
      if (line.starts_with(name) && parse_unsigned(line.substr(name.size()), pages))
        used -= std::min(used, pages);
    }
  }
  return limit > used ? limit - used : 0;
}

}  // namespace

std::optional<uint64_t> available_in_meminfo(const std::string& text) {
  constexpr std::string_view kName = "MemAvailable:";
  for (const std::string& line : split(text, '\n')) {
    if (!line.starts_with(kName)) continue;
    std::string_view value = trim(std::string_view(line).substr(kName.size()));
    uint64_t kibibytes = 0;
    if (!value.ends_with(" kB") || !parse_unsigned(trim(value.substr(0, value.size() - 3)), kibibytes))
      return std::nullopt;
    return kibibytes * 1024;
  }
  return std::nullopt;
}

std::optional<uint64_t> free_memory_bytes() {
  std::optional<uint64_t> available = available_in_meminfo(text_of("/proc/meminfo"));
  std::optional<uint64_t> group = left_in_group();
  if (available && group) return std::min(*available, *group);
  return available ? available : group;
}

}  // namespace fakequant
