#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace fakequant {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trim(std::string_view text) {
  const char* blank = " \t\r\n";
  size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

bool parse_unsigned(std::string_view text, uint64_t& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

bool parse_double(std::string_view text, double& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

std::string format_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 1023.95 would print as 1024 with four digits: it belongs to the next unit.
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  int decimals = value < 10 ? 3 : value < 100 ? 2 : 1;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
  size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  if (!parse_double(text.substr(0, digits), number)) return std::nullopt;
  std::string unit = lower(text.substr(digits));
  double factor = 1;
  if (!unit.empty() && unit != "b") {
    constexpr std::string_view kUnits = "kmgt";
    size_t power = kUnits.find(unit[0]);
    std::string_view rest = std::string_view(unit).substr(1);
    if (power == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib"))
      return std::nullopt;
    factor = std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
  }
  double bytes = number * factor;
  if (bytes > std::ldexp(1.0, 63)) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::optional<double> parse_seconds(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  constexpr Unit kUnits[] = {{"ms", 0.001}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
  size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  if (!parse_double(text.substr(0, digits), number)) return std::nullopt;
  std::string_view rest = text.substr(digits);
  std::string name = lower(rest.substr(std::min(rest.find_first_not_of(' '), rest.size())));
  for (const Unit& unit : kUnits) {
    if (name == unit.name) return number * unit.seconds;
  }
  return std::nullopt;
}

std::string format_count(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t place = digits.size(); place > 3; place -= 3) digits.insert(place - 3, 1, ',');
  return digits;
}

std::string counted(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(count), noun, count == 1 ? "" : "s");
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  if (names.size() <= kShown) return join(names, ", ");
  std::vector<std::string> first(names.begin(), names.begin() + kShown - 1);
  return fmt::format("{} and {} more", join(first, ", "), names.size() - first.size());
}

std::string shell_quoted(std::string_view text) {
  auto plain = [](char c) {
    bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter_or_digit || std::string_view(",._/-=+:@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) return std::string(text);
  std::string result = "'";
  for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

namespace {

// What a text begins with in UTF-8.
struct Utf8Start {
  size_t bytes;   // of the character, or of as much of one as there is; at least 1
  bool is_whole;  // a well-formed character
};

// `text` is not empty.
Utf8Start utf8_start(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  size_t length = first < 0x80                    ? 1
                  : first >= 0xC2 && first < 0xE0 ? 2
                  : first >= 0xE0 && first < 0xF0 ? 3
                  : first >= 0xF0 && first < 0xF5 ? 4
                                                  : 0;
  if (length == 0) return {1, false};
  for (size_t i = 1; i < length; ++i) {
    // The second byte of some has a narrower range: no overlong forms, no surrogates, nothing beyond U+10FFFF.
    unsigned char low = i > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = i > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {i, false};
  }
  return {length, true};
}

// Length in bytes of the well-formed UTF-8 sequence at the start of `text`, or 0.
size_t utf8_length(std::string_view text) {
  Utf8Start start = utf8_start(text);
  return start.is_whole ? start.bytes : 0;
}

}  // namespace

namespace {

// Characters that order the text around them from right to left, or end a line: U+202A to U+202E, U+2066 to U+2069,
// U+2028 and U+2029. In a name they can make a terminal show numbers that are not there.
bool orders_other_text(std::string_view character) {
  if (character.size() != 3 || !character.starts_with("\xE2")) return false;
  auto second = static_cast<unsigned char>(character[1]);
  auto third = static_cast<unsigned char>(character[2]);
  return (second == 0x80 && third >= 0xA8 && third <= 0xAE) ||
         (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    size_t length = utf8_length(text);
    unsigned char first = static_cast<unsigned char>(text[0]);
    bool c1_control = length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
    if (length == 0 || first < 0x20 || first == 0x7F || c1_control) {
      result += fmt::format("\\x{:02x}", first);
      text.remove_prefix(1);
    } else if (orders_other_text(text.substr(0, length))) {
      for (char byte : text.substr(0, length))
        result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
      text.remove_prefix(length);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

std::string excerpt(std::string_view text) {
  constexpr size_t kMost = 100;
  if (text.size() <= kMost) return printable(text);
  // Not in the middle of a character.
  size_t end = kMost;
  while (end > kMost - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return printable(text.substr(0, end)) + "...";
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    Utf8Start start = utf8_start(text);
    result += start.is_whole ? text.substr(0, start.bytes) : "\xEF\xBF\xBD";
    text.remove_prefix(start.bytes);
  }
  return result;
}

size_t whole_characters(std::string_view text, size_t length) {
  if (length >= text.size()) return text.size();
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return length;
}

std::string wrapped(std::string_view text, const Lines& lines) {
  std::string result;
  size_t column = lines.used;
  bool first = true;
  for (const std::string& word : split(text, ' ')) {
    if (!first && column + 1 + word.size() > lines.width) {
      result.append(1, '\n').append(lines.indent, ' ');
      column = lines.indent;
    } else if (!first) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
    first = false;
  }
  return result;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::vector<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates,
                                 size_t most) {
  std::vector<std::pair<size_t, size_t>> ranked;  // distance, index
  for (size_t i = 0; i < candidates.size(); ++i) {
    const std::string& candidate = candidates[i];
    if (candidate.empty() || word.size() > 256 || candidate.size() > 256) continue;
    size_t distance = edit_distance(word, candidate);
    size_t longer = std::max(word.size(), candidate.size());
    size_t allowed = longer < 4 ? 1 : std::max<size_t>(2, longer / 3);
    bool contained =
        word.size() >= 3 && (candidate.find(word) != std::string::npos || word.find(candidate) != word.npos);
    if (distance <= allowed || contained) ranked.emplace_back(distance, i);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < most; ++i) result.push_back(candidates[ranked[i].second]);
  return result;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  std::vector<std::string> near = nearest(word, candidates);
  if (near.empty()) return "";
  std::string last = near.back();
  near.pop_back();
  return near.empty() ? fmt::format("; did you mean {}?", last)
                      : fmt::format("; did you mean {} or {}?", join(near, ", "), last);
}

}  // namespace fakequant
