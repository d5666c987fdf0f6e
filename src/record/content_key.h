#pragma once
// Content keys: what a result was measured of, in 32 hexadecimal digits. Knows neither models nor measures.

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fakequant {

// XXH3-128 as 32 hexadecimal digits, in the canonical (big-endian) order that xxhsum -H2 prints.
std::string bytes_key(std::string_view bytes);

// Of a value: bytes_key() of its compact UTF-8 text with the keys of every object in ascending order of their bytes. 1 and 1.0 differ; a
// number that is not finite is null. Throws Error where a text in it is not UTF-8.
std::string content_key(const Json& value);

// Of a file's content: the bytes_key() of all of it. `progress` is told bytes as they are read, and may be empty. Throws Error when it
// is no regular file, cannot be read, or changed meanwhile.
std::string file_key(const std::string& path, const std::function<void(size_t bytes)>& progress = {});

// Of one or more files in this order (the parts of a split model): of one, file_key(); of more, content_key() of the list of theirs.
std::string files_key(const std::vector<std::string>& paths,
                      const std::function<void(size_t bytes)>& progress = {});

}  // namespace fakequant
