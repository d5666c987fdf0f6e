#include "base/message.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>

namespace fakequant {

namespace {

constexpr std::string_view kClear = "\r\033[K";

std::atomic<bool> line_is_drawn{false};

}  // namespace

void write_message(std::string_view text) noexcept {
  clear_line();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
  std::fflush(stderr);
}

void draw_line(std::string_view line) noexcept {
  line_is_drawn = true;
  // The rest of the line after the text: clearing it first would flicker.
  std::fprintf(stderr, "\r%.*s%s", static_cast<int>(line.size()), line.data(), "\033[K");
  std::fflush(stderr);
}

void clear_line() noexcept {
  if (!line_is_drawn.exchange(false)) return;
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kClear.data(), kClear.size());
}

}  // namespace fakequant
