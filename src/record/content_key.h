#pragma once
// Content keys: what a result was measured of, in 32 hexadecimal digits. Knows neither models nor measures.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fakequant {

// XXH3-128 as 32 hexadecimal digits, the canonical (big-endian) form that xxhsum -H2 prints.
std::string content_key(std::string_view bytes);

// Of a value: of its compact UTF-8 text with the keys of every object in ascending order.
std::string content_key(const Json& value);

// Of a file's content; `progress` is told bytes as they are read, and may be empty. Throws Error when it cannot be read, or when the
// file changed meanwhile.
std::string file_key(const std::string& path, const std::function<void(size_t bytes)>& progress = {});

// Of several files in this order (the parts of a split model): of one, file_key(); of more, content_key of the list of theirs.
std::string files_key(const std::vector<std::string>& paths, const std::function<void(size_t bytes)>& progress = {});

}  // namespace fakequant
