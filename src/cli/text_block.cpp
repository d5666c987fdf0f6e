#include "cli/text_block.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace fakequant::cli {

namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode's East Asian Width W and F, and what is drawn as an emoji, in large pieces.
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xAC00, 0xD7A3},
                           {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},
                           {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range kCombining[] = {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x200B, 0x200F},
                                {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};

template <size_t count>
bool contains(const Range (&ranges)[count], char32_t c) {
  return std::any_of(ranges, ranges + count, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// One character of valid UTF-8 text.
struct Character {
  std::string_view bytes;
  size_t columns;
};

Character first_character(std::string_view text) {
  auto byte = static_cast<unsigned char>(text[0]);
  size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  FQ_CHECK(length <= text.size());
  char32_t code = length == 1 ? byte : byte & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) code = (code << 6) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  size_t columns = contains(kWide, code) ? 2 : contains(kCombining, code) ? 0 : 1;
  return {text.substr(0, length), columns};
}

// What must stay on one line if it fits: a word with the spaces after it, or one wide character.
struct Piece {
  std::vector<Character> characters;
  size_t columns = 0;       // all
  size_t word_columns = 0;  // without the spaces
};

std::vector<Piece> pieces_of(std::string_view line) {
  std::vector<Piece> result;
  bool open = false;  // whether the last piece can go on
  bool spaces = false;
  while (!line.empty()) {
    Character character = first_character(line);
    bool space = character.bytes == " ";
    bool wide = character.columns == 2;
    if (!open || wide || (spaces && !space)) result.emplace_back();
    Piece& piece = result.back();
    piece.characters.push_back(character);
    piece.columns += character.columns;
    if (!space) piece.word_columns = piece.columns;
    // Spaces stay with the wide character before them, words do not.
    open = !wide || (line.size() > character.bytes.size() && line[character.bytes.size()] == ' ');
    spaces = space;
    line.remove_prefix(character.bytes.size());
  }
  return result;
}

// Lines that fill up one character after the other.
class Block {
 public:
  Block(size_t room, size_t indent) : room_(room), indent_(indent, ' ') {}

  void add(const Piece& piece) {
    if (used_ > 0 && used_ + piece.word_columns > room_) end_line();
    for (const Character& character : piece.characters) {
      if (used_ + character.columns > room_) {
        // A space that does not fit is the end of the line.
        if (character.bytes == " ") continue;
        end_line();
      }
      line_ += character.bytes;
      used_ += character.columns;
    }
  }

  void end_line() {
    if (!line_.empty()) text_ += indent_ + line_;
    text_ += '\n';
    line_.clear();
    used_ = 0;
  }

  std::string text() const { return text_; }

 private:
  size_t room_;
  std::string indent_;
  std::string line_;
  size_t used_ = 0;
  std::string text_;
};

}  // namespace

size_t columns_of(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    Character character = first_character(text);
    columns += character.columns;
    text.remove_prefix(character.bytes.size());
  }
  return columns;
}

size_t terminal_columns() {
  constexpr size_t kDefault = 100;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefault;
  return size.ws_col;
}

std::string text_block(std::string_view text, size_t width, size_t indent) {
  Block block(std::max(width, indent + 2) - indent, indent);
  for (const std::string& line : split(text, '\n')) {
    std::string shown = printable(line);
    for (const Piece& piece : pieces_of(shown)) block.add(piece);
    block.end_line();
  }
  return block.text();
}

}  // namespace fakequant::cli
