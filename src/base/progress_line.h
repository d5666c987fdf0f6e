#pragma once
// One line that says how far work is, fitted to a terminal's width. Knows neither clock nor terminal.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fakequant {

struct ProgressState {
  std::string_view label;
  double share = 0;                         // done, 0 to 1
  std::string rate = "";                    // "12 MiB/s"; "" for none
  std::optional<double> seconds_left = {};  // nothing: not known
  std::string_view note = "";               // a result so far
  bool is_least = false;                    // it will take longer: "over 5 s left"
};

// "label  43 %  12 MiB/s  5 s left  note", whole.
std::string progress_text(const ProgressState& state);

// The same behind a bar, in at most `columns` columns, as long as each character takes no more than two. Where there
// is less room the bar becomes short and goes, then the rate, then the note; the label keeps its end. Below 16 columns
// only a part of "43 %  5 s left" remains.
std::string progress_line(const ProgressState& state, size_t columns);

}  // namespace fakequant
