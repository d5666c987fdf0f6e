#include "experiment/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/text.h"

namespace fakequant {

namespace {

std::string content_of(const char* path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

// What stands behind the colon of the first line that begins with `name`.
std::string field(const std::string& text, std::string_view name) {
  for (const std::string& line : split(text, '\n')) {
    size_t colon = line.find(':');
    if (colon != std::string::npos && trim(std::string_view(line).substr(0, colon)) == name)
      return std::string(trim(std::string_view(line).substr(colon + 1)));
  }
  return "";
}

std::string system_name() {
  utsname names{};
  if (uname(&names) != 0) return "";
  return fmt::format("{} {} {}", names.sysname, names.release, names.machine);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(valid_utf8(text));
}

}  // namespace

std::string processor_in_cpuinfo(const std::string& text) {
  return field(text, "model name");
}

uint64_t memory_in_meminfo(const std::string& text) {
  std::string value = field(text, "MemTotal");
  uint64_t kibibytes = 0;
  size_t end = value.find(' ');
  return end != std::string::npos && parse_unsigned(value.substr(0, end), kibibytes) ? kibibytes << 10 : 0;
}

Json machine_facts(int threads) {
  uint64_t memory = memory_in_meminfo(content_of("/proc/meminfo"));
  unsigned processors = std::thread::hardware_concurrency();
  return {{"system", text_or_null(system_name())},
          {"processor", text_or_null(processor_in_cpuinfo(content_of("/proc/cpuinfo")))},
          {"processors", processors == 0 ? Json() : Json(processors)},
          {"memory_bytes", memory == 0 ? Json() : Json(memory)},
          {"threads", threads}};
}

std::string time_now() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace fakequant
