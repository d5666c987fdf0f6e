#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/message.h"
#include "base/progress_line.h"
#include "base/text.h"

namespace fakequant {

namespace {

// Columns of the terminal that standard error is; what most have, where it does not say.
size_t terminal_columns() {
  constexpr size_t kUsual = 80;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
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
  if (drawn_) clear_line();
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
  if (unit_ == Unit::bytes) rate = format_bytes(per_second) + "/s";
  if (unit_ == Unit::tokens) rate = format_count(per_second) + " tokens/s";
  ProgressState state{label_, share, rate, left, note_};
  if (terminal_) {
    // In the last column, some terminals go on to the next line; two more are for the ^C that a terminal shows.
    constexpr size_t kSpare = 3;
    draw_line(progress_line(state, std::max(terminal_columns(), kSpare) - kSpare));
    drawn_ = true;
  } else {
    write_message(progress_text(state));
  }
}

}  // namespace fakequant
