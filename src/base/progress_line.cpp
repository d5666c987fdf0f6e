#include "base/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace fakequant {

namespace {

constexpr size_t kLeastLabel = 16;  // columns; below, something else gives way
constexpr std::string_view kCut = "...";

std::string clock_text(double seconds) {
  auto whole = static_cast<uint64_t>(std::llround(seconds));
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {:02} s", whole / 60, whole % 60);
}

bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

// The most columns that UTF-8 text can take: of the characters of one or two bytes, none takes two.
size_t columns_of(std::string_view text) {
  size_t columns = 0;
  for (char c : text) {
    if (starts_character(c)) columns += static_cast<unsigned char>(c) < 0xE0 ? 1 : 2;
  }
  return columns;
}

// The end of a text, of whole characters, in at most `columns`.
std::string end_of(std::string_view text, size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  if (columns <= kCut.size()) return "";
  while (!text.empty() && columns_of(text) > columns - kCut.size()) {
    do text.remove_prefix(1);
    while (!text.empty() && !starts_character(text.front()));
  }
  return fmt::format("{}{}", kCut, text);
}

struct Shape {
  size_t bar;  // characters between the brackets; 0 for none
  bool rate;
  bool note;
};

std::string facts(const ProgressState& state, const Shape& shape) {
  std::string text = fmt::format("{:3.0f} %", state.share * 100);
  if (shape.rate && !state.rate.empty()) text += "  " + state.rate;
  if (state.seconds_left)
    text += fmt::format("  {}{} left", state.is_least ? "over " : "", clock_text(*state.seconds_left));
  if (shape.note && !state.note.empty()) text += fmt::format("  {}", state.note);
  return text;
}

std::string bar(double share, size_t length) {
  if (length == 0) return "";
  auto filled = std::min(length, static_cast<size_t>(share * static_cast<double>(length)));
  return fmt::format("[{:#<{}}{:-<{}}] ", "", filled, "", length - filled);
}

}  // namespace

std::string progress_text(const ProgressState& state) {
  return fmt::format("{} {}", state.label, facts(state, {0, true, true}));
}

std::string progress_line(const ProgressState& state, size_t columns) {
  constexpr Shape kShapes[] = {
      {24, true, true}, {10, true, true}, {0, true, true}, {0, false, true}, {0, false, false}};
  for (const Shape& shape : kShapes) {
    std::string start = bar(state.share, shape.bar);
    std::string end = fmt::format(" {}", facts(state, shape));
    size_t taken = start.size() + columns_of(end);
    if (taken + std::min(kLeastLabel, columns_of(state.label)) > columns) continue;
    return fmt::format("{}{}{}", start, end_of(state.label, columns - taken), end);
  }
  return facts(state, {0, false, false}).substr(0, columns);
}

}  // namespace fakequant
