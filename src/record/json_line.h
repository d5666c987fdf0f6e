#pragma once
// One record as one line of JSON, strictly: what is read means one thing. Knows no files.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"

namespace fakequant {

inline constexpr size_t kMostLineBytes = size_t{1} << 28;  // without its line end
inline constexpr size_t kMostNesting = 64;                 // objects and lists in one another

// Reads a line (without its end) that is one JSON object. `place` begins the messages: "journal.jsonl:7".
//
//   throws   Error for anything else: no JSON, no object, an object that has a key twice, nesting deeper than kMostNesting, bytes that
//            are no UTF-8, numbers beyond double, more than kMostLineBytes. Memory, not the stack, bounds what it can read
Json parse_json_line(std::string_view line, const std::string& place);

// The object as one line, with its end. Bytes in texts that are not UTF-8 become U+FFFD; a number that is not finite becomes null.
std::string json_line(const Json& object);

}  // namespace fakequant
