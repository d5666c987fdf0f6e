#pragma once
// What toml++ 3.3 must not be given, found before it sees the text. Knows TOML's quotes and comments, not its
// grammar: all other faults are toml++'s to report.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fakequant {

// The largest file in bytes.
inline constexpr size_t kMaxTomlBytes = size_t{1} << 20;

// Dots outside strings and comments that a file may hold.
inline constexpr size_t kMaxKeyDots = 1000;

struct TomlFault {
  size_t line;  // counted from 1
  std::string problem;
};

// The first of these faults, or nothing:
//  - more than kMaxKeyDots dots outside strings and comments: toml++ makes a table within a table for each
//  dot of a key
//    and frees them by recursion, so that a long key overflows the stack;
//  - a byte above 127 outside strings and comments, but for a byte order mark (TOML 1.0 has none there), or
//  inside a string of
//    three double quotes: toml++ looks for blanks there and runs into undefined behaviour for U+00A1 to
//    U+0499.
std::optional<TomlFault> find_toml_fault(std::string_view text);

}  // namespace fakequant
