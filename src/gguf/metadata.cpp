#include "gguf/metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace fakequant {

namespace {

struct MetadataTypeFacts {
  std::string_view name;
  size_t byte_count;
};

// By the number that stands in files.
constexpr std::array<MetadataTypeFacts, 13> kTypes{{
    {"u8", 1},
    {"i8", 1},
    {"u16", 2},
    {"i16", 2},
    {"u32", 4},
    {"i32", 4},
    {"f32", 4},
    {"bool", 1},
    {"str", 0},
    {"arr", 0},
    {"u64", 8},
    {"i64", 8},
    {"f64", 8},
}};

const MetadataTypeFacts& facts_of(MetadataType type) {
  size_t number = static_cast<size_t>(type);
  FQ_CHECK(number < kTypes.size());
  return kTypes[number];
}

// Values in files are not aligned.
template <typename T>
T load(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

std::string_view load_string(const std::byte* place) {
  size_t length = static_cast<size_t>(load<uint64_t>(place));
  return {reinterpret_cast<const char*>(place + sizeof(uint64_t)), length};
}

std::string display_string(std::string_view text) {
  constexpr size_t kMostBytes = 256;
  if (text.size() <= kMostBytes) return fmt::format("\"{}\"", printable(text));
  size_t end = kMostBytes;
  // Not inside a character: a UTF-8 sequence has at most three continuation bytes.
  for (int i = 0; i < 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++i) --end;
  return fmt::format("\"{}...\" ({} bytes)", printable(text.substr(0, end)), text.size());
}

std::string display_scalar(MetadataType type, const std::byte* place) {
  switch (type) {
    case MetadataType::uint8:
      return fmt::format("{}", load<uint8_t>(place));
    case MetadataType::int8:
      return fmt::format("{}", load<int8_t>(place));
    case MetadataType::uint16:
      return fmt::format("{}", load<uint16_t>(place));
    case MetadataType::int16:
      return fmt::format("{}", load<int16_t>(place));
    case MetadataType::uint32:
      return fmt::format("{}", load<uint32_t>(place));
    case MetadataType::int32:
      return fmt::format("{}", load<int32_t>(place));
    case MetadataType::float32:
      return fmt::format("{}", load<float>(place));
    case MetadataType::boolean:
      return load<uint8_t>(place) != 0 ? "true" : "false";
    case MetadataType::string:
      return display_string(load_string(place));
    case MetadataType::uint64:
      return fmt::format("{}", load<uint64_t>(place));
    case MetadataType::int64:
      return fmt::format("{}", load<int64_t>(place));
    case MetadataType::float64:
      return fmt::format("{}", load<double>(place));
    case MetadataType::array:
      break;
  }
  FQ_CHECK(!"arrays have no scalar value");
}

template <typename T>
std::optional<uint64_t> unless_negative(const std::byte* place) {
  T value = load<T>(place);
  if (value < 0) return std::nullopt;
  return static_cast<uint64_t>(value);
}

}  // namespace

std::string_view name_of(MetadataType type) {
  return facts_of(type).name;
}

size_t byte_count_of(MetadataType type) {
  return facts_of(type).byte_count;
}

std::optional<uint64_t> as_unsigned(const MetadataEntry& entry) {
  const std::byte* place = entry.value.data();
  switch (entry.type) {
    case MetadataType::uint8:
      return load<uint8_t>(place);
    case MetadataType::uint16:
      return load<uint16_t>(place);
    case MetadataType::uint32:
      return load<uint32_t>(place);
    case MetadataType::uint64:
      return load<uint64_t>(place);
    case MetadataType::int8:
      return unless_negative<int8_t>(place);
    case MetadataType::int16:
      return unless_negative<int16_t>(place);
    case MetadataType::int32:
      return unless_negative<int32_t>(place);
    case MetadataType::int64:
      return unless_negative<int64_t>(place);
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> as_string(const MetadataEntry& entry) {
  if (entry.type != MetadataType::string) return std::nullopt;
  return load_string(entry.value.data());
}

std::string display_value(const MetadataEntry& entry, size_t most) {
  if (entry.type != MetadataType::array) return display_scalar(entry.type, entry.value.data());
  std::string result = "[";
  const std::byte* place = entry.value.data();
  uint64_t shown = std::min<uint64_t>(entry.element_count, most);
  for (uint64_t i = 0; i < shown; ++i) {
    if (i > 0) result += ", ";
    result += display_scalar(entry.element_type, place);
    bool is_string = entry.element_type == MetadataType::string;
    place += is_string ? sizeof(uint64_t) + load_string(place).size() : byte_count_of(entry.element_type);
  }
  if (shown == entry.element_count) return result + "]";
  return result + fmt::format("{}...] ({} values)", shown > 0 ? ", " : "", entry.element_count);
}

}  // namespace fakequant
