#pragma once
// What a run was made on, for its log. Knows Linux's /proc, no measures.

#include <cstdint>
#include <string>

#include "base/json.h"

namespace fakequant {

// {system, processor, processors, memory_bytes, threads}; what the system does not say is null. `threads` are those that work.
Json machine_facts(int threads);

// "model name" of a text as /proc/cpuinfo holds it, or "".
std::string processor_in_cpuinfo(const std::string& text);

// "MemTotal" of a text as /proc/meminfo holds it, in bytes; 0 where it is not there.
uint64_t memory_in_meminfo(const std::string& text);

// Now, in UTC and ISO 8601 to the second: "2024-05-17T09:30:00Z".
std::string time_now();

}  // namespace fakequant
