#include "select/toml_guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace fakequant {
namespace {

// The end of the string whose opening quotes are at `begin`: the place after its closing quotes, or where
// toml++ gives up.
size_t string_end(std::string_view text, size_t begin, std::string_view quotes) {
  bool escapes = quotes[0] == '"';
  bool one_line = quotes.size() == 1;
  for (size_t i = begin + quotes.size(); i < text.size(); ++i) {
    if (text.substr(i).starts_with(quotes)) return i + quotes.size();
    if (one_line && text[i] == '\n') return i;
    if (escapes && text[i] == '\\') ++i;
  }
  return text.size();
}

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

TomlFault fault_at(std::string_view text, size_t place, std::string_view problem) {
  std::string_view before = text.substr(0, place);
  size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  return {line, fmt::format("{} (column {})", problem, place - line_begin + 1)};
}

}  // namespace

std::optional<TomlFault> find_toml_fault(std::string_view text) {
  size_t dots = 0;
  for (size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0; i < text.size();) {
    char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (c == '"' || c == '\'') {
      std::string_view rest = text.substr(i);
      bool three = rest.size() >= 3 && rest[1] == c && rest[2] == c;
      size_t end = string_end(text, i, rest.substr(0, three ? 3 : 1));
      std::string_view whole = text.substr(i, end - i);
      if (c == '"' && three && !std::all_of(whole.begin(), whole.end(), is_ascii)) {
        return fault_at(text, i,
                        "a character outside ASCII stands in \"\"\"; write it between single quotes");
      }
      i = end;
    } else if (!is_ascii(c)) {
      return fault_at(text, i, "a character outside ASCII stands outside quotes");
    } else {
      dots += c == '.' ? 1 : 0;
      if (dots > kMaxKeyDots) return fault_at(text, i, fmt::format("more than {} dots in keys", kMaxKeyDots));
      ++i;
    }
  }
  return std::nullopt;
}

}  // namespace fakequant
