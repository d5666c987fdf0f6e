#pragma once
// Progress of long work on standard error: a bar on a terminal, never wider than it; a line every ten seconds
// elsewhere; nothing under one second. Knows no domain.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace fakequant {

class Progress {
 public:
  enum class Mode { automatic, silent };
  enum class Unit { bytes, tokens, runs };  // of the work, and of the rate that is shown; of runs none is

  // `total` is the work in all.
  Progress(std::string label, uint64_t total, Mode mode, Unit unit = Unit::bytes);
  ~Progress();  // clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Counts finished work and redraws when it is time. May be called from several threads.
  void advance(uint64_t amount);
  // What else is shown from the next drawing on: a result so far. May be called from several threads.
  void set_note(std::string note);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::string label_;
  uint64_t total_;
  Mode mode_;
  Unit unit_;
  std::string note_;
  bool terminal_;
  bool drawn_ = false;
  std::atomic<uint64_t> done_{0};
  Clock::time_point start_;
  std::atomic<Clock::rep> next_draw_;
  std::mutex mutex_;
};

}  // namespace fakequant
