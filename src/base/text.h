#pragma once
// Small text helpers: splitting, sizes for people, names near a misspelt one. Knows no domain.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

std::string lower(std::string_view text);                               // ASCII letters only
std::string_view trim(std::string_view text);                           // spaces, tabs, line ends
std::vector<std::string> split(std::string_view text, char separator);  // "a,,b" gives a, "", b; "" gives ""
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// A whole decimal number without sign, or nothing valid: returns false for empty text, other characters,
// overflow.
bool parse_unsigned(std::string_view text, uint64_t& value);

// A finite decimal floating-point number, the whole text: returns false otherwise.
bool parse_double(std::string_view text, double& value);

// Bytes with a binary unit and four significant digits: 512 B, 9.236 KiB, 1.861 GiB.
std::string format_bytes(uint64_t bytes);

// The bytes that a person means by 500M, 2G, 1.5GiB or 4096: K, M, G and T are powers of 1024, with or without B or
// iB, case ignored. Nothing for other text and for more than 2^63.
std::optional<uint64_t> parse_bytes(std::string_view text);

// The seconds that a person means by "90 s", "5 min", "2h" or "1.5 d": a number and one of ms, s, min, h and d, with or without
// spaces between, case ignored. Nothing for other text.
std::optional<double> parse_seconds(std::string_view text);

// A whole number with thousands separated by commas: 1,234,567.
std::string format_count(uint64_t count);

// A count with its noun: "1 tensor", "1,200 tensors".
std::string counted(uint64_t count, std::string_view noun);

// The first of some names: "a, b, c", of more than four "a, b, c and 7 more"; "" for none.
std::string some_of(const std::vector<std::string>& names);

// Text as one word of a shell command: in single quotes unless letters, digits and ,._/-=+:@% make it up.
std::string shell_quoted(std::string_view text);

// Text from a file made safe for a terminal: control characters, those that turn the direction of text or end a line, and
// bytes that are not UTF-8 become \xNN.
std::string printable(std::string_view text);

// The same, cut after 100 bytes or so: for quoting what a user wrote, which may be of any length.
std::string excerpt(std::string_view text);

// Text as valid UTF-8. Of bytes that are not, the begin of a character as far as it goes, or else each byte, becomes
// one U+FFFD (Unicode 15, section 3.9: maximal subparts).
std::string valid_utf8(std::string_view text);

// The most bytes, at most `length`, after which a valid UTF-8 text can be cut without cutting a character.
size_t whole_characters(std::string_view text, size_t length);

struct Lines {
  size_t width;       // most columns of a line
  size_t indent = 0;  // spaces before every line but the first
  size_t used = 0;    // columns of the first line that are taken already
};

// Text broken between words so that lines fit; a word longer than a line stands alone.
std::string wrapped(std::string_view text, const Lines& lines);

// Levenshtein distance in bytes.
size_t edit_distance(std::string_view a, std::string_view b);

// At most `most` of `candidates`, nearest first, that are near enough to `word` to be what was meant: an edit
// distance of at most a third of the longer word (at least 2, or 1 below four letters), or one containing the
// other. Ties keep the order of `candidates`.
std::vector<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates,
                                 size_t most = 3);

// "; did you mean a, b or c?" from nearest(), or "" when nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace fakequant
