#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/message.h"
#include "base/text.h"

namespace fakequant {

namespace {

std::string clock_text(double seconds) {
  auto whole = static_cast<uint64_t>(std::llround(seconds));
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {:02} s", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string label, uint64_t total, Mode mode, Unit unit)
    : label_(std::move(label)),
      total_(total),
      mode_(mode),
      unit_(unit),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()) {
  auto first = terminal_ ? std::chrono::milliseconds(1000) : std::chrono::milliseconds(10000);
  next_draw_ = (start_ + first).time_since_epoch().count();
}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::advance(uint64_t amount) {
  done_ += amount;
  if (mode_ == Mode::silent) return;
  Clock::time_point now = Clock::now();
  if (now.time_since_epoch().count() < next_draw_.load(std::memory_order_relaxed)) return;
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || now.time_since_epoch().count() < next_draw_) return;
  draw(now);
  auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  next_draw_ = (now + pause).time_since_epoch().count();
}

void Progress::set_note(std::string note) {
  std::lock_guard lock(mutex_);
  note_ = std::move(note);
}

void Progress::draw(Clock::time_point now) {
  double seconds = std::chrono::duration<double>(now - start_).count();
  auto done = static_cast<double>(std::min(done_.load(), total_));
  double share = total_ == 0 ? 1.0 : done / static_cast<double>(total_);
  double left = share > 0 ? seconds * (1 - share) / share : 0;
  auto per_second = static_cast<uint64_t>(done / seconds);
  std::string rate;
  if (unit_ == Unit::bytes) rate = format_bytes(per_second) + "/s  ";
  if (unit_ == Unit::tokens) rate = format_count(per_second) + " tokens/s  ";
  std::string text = fmt::format("{} {:3.0f} %  {}{} left", label_, share * 100, rate, clock_text(left));
  if (!note_.empty()) text += "  " + note_;
  if (terminal_) {
    constexpr int kWidth = 24;
    int filled = static_cast<int>(share * kWidth);
    std::string bar = fmt::format("\r[{:#<{}}{:-<{}}] {}\033[K", "", filled, "", kWidth - filled, text);
    std::fputs(bar.c_str(), stderr);
  } else {
    write_message(text);
  }
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace fakequant
