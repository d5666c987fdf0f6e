#pragma once
// One metadata pair of a GGUF file and its value as numbers and text. Knows neither files nor what the keys
// mean.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fakequant {

// The numbers are those that stand in files.
enum class MetadataType : uint32_t {
  uint8 = 0,
  int8 = 1,
  uint16 = 2,
  int16 = 3,
  uint32 = 4,
  int32 = 5,
  float32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  uint64 = 10,
  int64 = 11,
  float64 = 12,
};

std::string_view name_of(MetadataType type);  // "u32", "str", "arr" as ggml prints them

// Bytes of one value in a file; 0 for strings and arrays, whose size varies.
size_t byte_count_of(MetadataType type);

// One metadata pair. Offsets are from the start of the file; the bytes stay in the map.
struct MetadataEntry {
  std::string_view key;
  MetadataType type;                   // array for arrays
  MetadataType element_type;           // the type itself for scalars
  uint64_t element_count;              // 1 for scalars
  uint64_t offset;                     // of the pair (its key's length field)
  std::span<const std::byte> value;    // the scalar, or the array's elements without their type and count;
                                       // a string is its length (8 bytes), then its characters
  std::span<const std::byte> encoded;  // the whole pair as it stands in the file
};

// The value of a scalar metadata pair of any integer type that fits; nothing for other types and negative
// numbers.
std::optional<uint64_t> as_unsigned(const MetadataEntry& entry);
// The characters of a scalar string; nothing for other types.
std::optional<std::string_view> as_string(const MetadataEntry& entry);

// The value as a person reads it: strings quoted, made printable and cut after 256 bytes with their length,
// arrays cut after `most` elements with their count: `[1, 2, 3, 4, ...] (32000 values)`. Any byte but 0 is
// true.
std::string display_value(const MetadataEntry& entry, size_t most = 4);

}  // namespace fakequant
