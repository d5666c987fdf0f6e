#pragma once
// Messages to standard error. Knows no domain.

#include <string_view>

namespace fakequant {

// Writes the text and a line end. That standard error is closed or full is no reason to fail: there is nobody to tell.
void write_message(std::string_view text) noexcept;

}  // namespace fakequant
