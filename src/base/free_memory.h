#pragma once
// How much memory this process may still take. Knows no domain.

#include <cstdint>
#include <optional>
#include <string>

namespace fakequant {

// Bytes that can be had without swapping: what the system calls available, or what the process's control group
// leaves where that is less. Nothing where neither says.
std::optional<uint64_t> free_memory_bytes();

// "MemAvailable" of a text as /proc/meminfo holds it, in bytes.
std::optional<uint64_t> available_in_meminfo(const std::string& text);

}  // namespace fakequant
