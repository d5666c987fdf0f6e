#pragma once
// Messages to standard error, and the one line of a terminal there that is drawn again and again. Knows no domain.

#include <string_view>

namespace fakequant {

// Writes the text and a line end, in place of a line that draw_line has drawn. That standard error is closed or full
// is no reason to fail: there is nobody to tell.
void write_message(std::string_view text) noexcept;

// Draws `line` in place of the one that was drawn before; for a terminal, and no wider than it.
void draw_line(std::string_view line) noexcept;

// Leaves the line empty, if one is drawn. Async-signal-safe: whatever ends the program leaves no rest of a bar.
void clear_line() noexcept;

}  // namespace fakequant
