#pragma once
// Ctrl-C and its like as something that can be waited for, so that work stops where nothing is lost. Knows no work.

#include <signal.h>

#include <vector>

namespace fakequant {

// For as long as it lives, SIGINT, SIGTERM and SIGHUP are counted in place of what they did before. One at a time (checked).
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // How many came. From two on, work should end at once.
  int count() const;
  // The last one, 0 for none.
  int last() const;

  // A descriptor that can be read when one came that clear() has not seen.
  int descriptor() const;
  void clear();

 private:
  struct Before {
    int number;
    struct sigaction action;
  };
  std::vector<Before> before_;
};

}  // namespace fakequant
