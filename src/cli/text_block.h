#pragma once
// Text that a model made, as a block on a terminal: wrapped, with wide characters counted as two columns. Knows no
// models.

#include <cstddef>
#include <string>
#include <string_view>

namespace fakequant::cli {

// Columns that valid UTF-8 text takes on a terminal: two for a character that East Asian scripts and emoji draw
// wide, none for a combining mark, one for any other.
size_t columns_of(std::string_view text);

// Columns of the terminal that standard output is; 100 where it is none.
size_t terminal_columns();

// Lines of at most `width` columns, each with `indent` spaces before it (counted) and a line end after it. Text is
// valid UTF-8; its line ends stay, other control characters become \xNN. Breaks at spaces, which stay at the end of their
// line as far as they fit, and anywhere in a word that is longer than a line; wide characters break anywhere.
std::string text_block(std::string_view text, size_t width, size_t indent);

}  // namespace fakequant::cli
