#include "gguf/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "gguf/cursor.h"

namespace fakequant {

namespace {

// ggml's limits.
constexpr uint64_t kMostArrayElements = uint64_t{1} << 30;
constexpr uint64_t kMostNameBytes = 63;
constexpr uint32_t kMostDimensions = 4;
constexpr uint64_t kDefaultAlignment = 32;

// The shortest that can stand in a file: a pair of a one-byte key and a one-byte value; a tensor with neither
// name nor dimensions.
constexpr uint64_t kLeastPairBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kLeastTensorBytes = 8 + 4 + 4 + 8;

constexpr std::string_view kAlignmentKey = "general.alignment";

std::string_view up_to_nul(std::string_view text) {
  return text.substr(0, text.find('\0'));
}

void check_magic(Cursor& cursor) {
  Subject subject{"magic"};
  std::span<const std::byte> magic = cursor.take(4, subject, "'GGUF'");
  std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (text != "GGUF")
    cursor.fail(0, subject, fmt::format("'{}'", printable(text)), "'GGUF': this is no GGUF file");
}

uint32_t read_version(Cursor& cursor) {
  Subject subject{"version"};
  uint64_t start = cursor.offset();
  uint32_t version = cursor.read<uint32_t>(subject, "the version");
  if (version == 2 || version == 3) return version;
  uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3) {
    cursor.fail(start, subject, fmt::format("version {} in big-endian order", swapped),
                "a little-endian file (gguf-py's gguf-convert-endian turns one into the other)");
  }
  cursor.fail(start, subject, fmt::format("{}", version), "2 or 3");
}

// A count is believed only when what it counts could fit into the rest of the file.
uint64_t read_count(Cursor& cursor, const Subject& subject) {
  uint64_t start = cursor.offset();
  uint64_t count = cursor.read<uint64_t>(subject, "the count");
  if (count > static_cast<uint64_t>(INT64_MAX)) {
    cursor.fail(start, subject, fmt::format("{}", static_cast<int64_t>(count)), "a count of 0 or more");
  }
  return count;
}

void check_room(const Cursor& cursor, uint64_t offset, const Subject& subject, uint64_t count,
                uint64_t least_bytes) {
  uint64_t most = cursor.remaining() / least_bytes;
  if (count <= most) return;
  cursor.fail(offset, subject, fmt::format("{}", count),
              fmt::format("at most {}, as only {} bytes follow", most, cursor.remaining()));
}

MetadataType read_type(Cursor& cursor, const Subject& subject) {
  uint64_t start = cursor.offset();
  uint32_t number = cursor.read<uint32_t>(subject, "its type");
  if (number > static_cast<uint32_t>(MetadataType::float64)) {
    cursor.fail(start, subject, fmt::format("type {}", number), "a metadata type, 0 to 12");
  }
  return static_cast<MetadataType>(number);
}

// Moves over `count` values and sets `value` to their bytes.
void skip_values(Cursor& cursor, const Subject& subject, MetadataEntry& entry) {
  uint64_t start = cursor.offset();
  bool is_array = entry.type == MetadataType::array;
  std::string_view part = is_array ? "the array's values" : "its value";
  if (entry.element_type == MetadataType::string) {
    cursor.require(entry.element_count * sizeof(uint64_t), subject, part);
    for (uint64_t i = 0; i < entry.element_count; ++i) {
      cursor.read_string(subject, is_array ? "a string in its array" : "its string");
    }
  } else {
    // No overflow: at most 2^30 elements of 8 bytes.
    cursor.take(entry.element_count * byte_count_of(entry.element_type), subject, part);
  }
  entry.value = cursor.since(start);
}

MetadataEntry read_pair(Cursor& cursor, uint64_t index) {
  Subject subject{"key", true, index};
  MetadataEntry entry{};
  entry.offset = cursor.offset();
  entry.key = cursor.read_string(subject, "its name");
  if (entry.key.empty()) cursor.fail(entry.offset, subject, "an empty name", "at least one character");
  subject.name = entry.key;

  entry.type = read_type(cursor, subject);
  entry.element_type = entry.type;
  entry.element_count = 1;
  if (entry.type == MetadataType::array) {
    uint64_t start = cursor.offset();
    entry.element_type = read_type(cursor, subject);
    if (entry.element_type == MetadataType::array) {
      cursor.fail(start, subject, "an array of arrays", "an array of scalars or strings");
    }
    start = cursor.offset();
    entry.element_count = cursor.read<uint64_t>(subject, "its array's length");
    if (entry.element_count > kMostArrayElements) {
      cursor.fail(start, subject, fmt::format("an array of {} values", entry.element_count),
                  fmt::format("at most {}", kMostArrayElements));
    }
  }
  skip_values(cursor, subject, entry);
  entry.encoded = cursor.since(entry.offset);
  return entry;
}

// Indices ordered by name, equal names by index. Sorting, not hashing: a file can be made so that all its
// names collide.
template <typename Entry, typename NameOf>
std::vector<size_t> ordered_by_name(const std::vector<Entry>& entries, NameOf name_of_entry) {
  std::vector<size_t> order(entries.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    int difference = name_of_entry(entries[a]).compare(name_of_entry(entries[b]));
    return difference != 0 ? difference < 0 : a < b;
  });
  return order;
}

// The places in `order` of the first two entries of one name, as (first, second); nothing when all names
// differ.
template <typename Entry, typename NameOf>
std::optional<std::pair<size_t, size_t>> find_duplicate(const std::vector<Entry>& entries,
                                                        const std::vector<size_t>& order,
                                                        NameOf name_of_entry) {
  for (size_t i = 1; i < order.size(); ++i) {
    if (name_of_entry(entries[order[i - 1]]) == name_of_entry(entries[order[i]])) {
      return std::pair(order[i - 1], order[i]);
    }
  }
  return std::nullopt;
}

uint64_t alignment_from(const Cursor& cursor, const MetadataEntry* entry, size_t index) {
  if (entry == nullptr) return kDefaultAlignment;
  Subject subject{"key", true, index, entry->key};
  uint64_t type_offset = entry->offset + sizeof(uint64_t) + entry->key.size();
  if (entry->type != MetadataType::uint32) {
    cursor.fail(type_offset, subject, fmt::format("type {}", name_of(entry->type)), "u32");
  }
  uint64_t alignment = as_unsigned(*entry).value();
  if (!std::has_single_bit(alignment)) {
    cursor.fail(type_offset + sizeof(uint32_t), subject, fmt::format("{}", alignment), "a power of two");
  }
  return alignment;
}

void read_shape(Cursor& cursor, const Subject& subject, TensorInfo& tensor) {
  uint64_t start = cursor.offset();
  uint32_t dimension_count = cursor.read<uint32_t>(subject, "its number of dimensions");
  if (dimension_count > kMostDimensions) {
    cursor.fail(start, subject, fmt::format("{} dimensions", dimension_count), "at most 4");
  }
  start = cursor.offset();
  bool empty = false;
  for (uint32_t i = 0; i < dimension_count; ++i) {
    uint64_t place = cursor.offset();
    int64_t size = cursor.read<int64_t>(subject, "a dimension");
    if (size < 0) cursor.fail(place, subject, fmt::format("dimension {} of {}", i, size), "0 or more");
    empty = empty || size == 0;
    tensor.shape.push_back(size);
  }
  tensor.row_length = tensor.shape.empty() ? 1 : tensor.shape[0];
  tensor.row_count = empty ? 0 : 1;
  tensor.value_count = 0;
  if (empty) return;
  bool overflow = false;
  for (size_t i = 1; i < tensor.shape.size(); ++i) {
    overflow = overflow || __builtin_mul_overflow(tensor.row_count, tensor.shape[i], &tensor.row_count);
  }
  overflow = overflow || __builtin_mul_overflow(tensor.row_length, tensor.row_count, &tensor.value_count);
  if (overflow || tensor.value_count == INT64_MAX) {
    cursor.fail(start, subject, fmt::format("shape {}", fmt::join(tensor.shape, " x ")),
                fmt::format("fewer than {} values", INT64_MAX));
  }
}

void read_tensor_type(Cursor& cursor, const Subject& subject, TensorInfo& tensor) {
  uint64_t start = cursor.offset();
  uint32_t number = cursor.read<uint32_t>(subject, "its type");
  std::optional<TensorType> type = tensor_type_from_id(number);
  if (!type) cursor.fail(start, subject, fmt::format("type {}", number), "a tensor type of llama.cpp v0.5.0");
  tensor.type = *type;
  const TypeFacts& facts = facts_of(*type);
  if (tensor.row_length % facts.block_values != 0) {
    cursor.fail(start, subject, fmt::format("type {} with rows of {} values", facts.name, tensor.row_length),
                fmt::format("rows of a multiple of {}", facts.block_values));
  }
  uint64_t block_count = static_cast<uint64_t>(tensor.value_count) / facts.block_values;
  if (__builtin_mul_overflow(block_count, uint64_t{facts.block_bytes}, &tensor.data_bytes)) {
    cursor.fail(start, subject, fmt::format("{} values of type {}", tensor.value_count, facts.name),
                "a size in bytes of at most 64 bits");
  }
}

// Adds `byte_count` and padding to `offset`; false when the sum has no 64 bits.
bool advance_padded(uint64_t& offset, uint64_t byte_count, uint64_t alignment) {
  uint64_t sum;
  if (__builtin_add_overflow(offset, byte_count, &sum) || __builtin_add_overflow(sum, alignment - 1, &sum))
    return false;
  offset = sum & ~(alignment - 1);
  return true;
}

// Reads entry `index` of the tensor table. `next_offset` is where its data must start within the data
// section, and becomes where the next tensor's must; data_offset of the result counts from the start of the
// data section.
TensorInfo read_tensor(Cursor& cursor, uint64_t index, uint64_t alignment, uint64_t& next_offset) {
  Subject subject{"tensor", true, index};
  TensorInfo tensor{};
  tensor.info_offset = cursor.offset();
  std::string_view name = cursor.read_string(subject, "its name");
  subject.name = name;
  if (name.size() > kMostNameBytes) {
    cursor.fail(tensor.info_offset, subject, fmt::format("a name of {} bytes", name.size()), "at most 63");
  }
  tensor.name = up_to_nul(name);
  read_shape(cursor, subject, tensor);
  read_tensor_type(cursor, subject, tensor);

  uint64_t start = cursor.offset();
  tensor.data_offset = cursor.read<uint64_t>(subject, "its data offset");
  if (tensor.data_offset != next_offset) {
    cursor.fail(start, subject, fmt::format("data offset {}", tensor.data_offset),
                fmt::format("{}, where the tensor before it ends", next_offset));
  }
  if (!advance_padded(next_offset, tensor.data_bytes, alignment)) {
    cursor.fail(start, subject, fmt::format("data of {} bytes at {}", tensor.data_bytes, tensor.data_offset),
                "offsets of at most 64 bits");
  }
  return tensor;
}

// Turns offsets within the data section into offsets within the file, and checks that all data is there.
void place_data(const Cursor& cursor, uint64_t file_bytes, uint64_t data_offset,
                std::vector<TensorInfo>& tensors) {
  if (!tensors.empty() && data_offset > file_bytes) {
    cursor.fail(cursor.offset(), Subject{"padding before the tensor data"},
                fmt::format("{} bytes to the end of the file", cursor.remaining()),
                fmt::format("{}", data_offset - cursor.offset()));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorInfo& tensor = tensors[i];
    uint64_t room = file_bytes - std::min(file_bytes, data_offset + tensor.data_offset);
    tensor.data_offset += data_offset;
    // A tensor without values may lie behind the end: the padding of the one before it may be missing.
    if (tensor.data_bytes <= room) continue;
    cursor.fail(tensor.data_offset, Subject{"tensor", true, i, tensor.name},
                fmt::format("{} bytes of data to the end of the file", room),
                fmt::format("{}", tensor.data_bytes));
  }
}

}  // namespace

GgufFile GgufFile::open(const std::string& path) {
  return parse(MappedFile(path));
}

GgufFile GgufFile::parse(MappedFile file) {
  GgufFile result;
  result.file_ = std::move(file);
  Cursor cursor(result.file_);
  check_magic(cursor);
  result.version_ = read_version(cursor);
  Subject tensor_count_subject{"tensor count"};
  Subject pair_count_subject{"metadata count"};
  uint64_t tensor_count_offset = cursor.offset();
  uint64_t tensor_count = read_count(cursor, tensor_count_subject);
  uint64_t pair_count_offset = cursor.offset();
  uint64_t pair_count = read_count(cursor, pair_count_subject);
  check_room(cursor, tensor_count_offset, tensor_count_subject, tensor_count, kLeastTensorBytes);
  check_room(cursor, pair_count_offset, pair_count_subject, pair_count, kLeastPairBytes);

  result.metadata_offset_ = cursor.offset();
  // Not reserved: the counts are still claims, and an entry in memory is several times the least one in a
  // file.
  for (uint64_t i = 0; i < pair_count; ++i) result.metadata_.push_back(read_pair(cursor, i));
  auto key_of = [](const MetadataEntry& entry) { return entry.key; };
  result.metadata_by_key_ = ordered_by_name(result.metadata_, key_of);
  if (auto pair = find_duplicate(result.metadata_, result.metadata_by_key_, key_of)) {
    const MetadataEntry& second = result.metadata_[pair->second];
    cursor.fail(second.offset, Subject{"key", true, pair->second, second.key},
                fmt::format("the name of key {} again", pair->first), "names that differ");
  }
  const MetadataEntry* alignment = result.find(kAlignmentKey);
  size_t alignment_index =
      alignment == nullptr ? 0 : static_cast<size_t>(alignment - result.metadata_.data());
  result.alignment_ = alignment_from(cursor, alignment, alignment_index);

  result.tensor_table_offset_ = cursor.offset();
  uint64_t next_offset = 0;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    result.tensors_.push_back(read_tensor(cursor, i, result.alignment_, next_offset));
  }
  auto tensor_name_of = [](const TensorInfo& tensor) { return std::string_view(tensor.name); };
  std::vector<size_t> order = ordered_by_name(result.tensors_, tensor_name_of);
  if (auto pair = find_duplicate(result.tensors_, order, tensor_name_of)) {
    const TensorInfo& second = result.tensors_[pair->second];
    cursor.fail(second.info_offset, Subject{"tensor", true, pair->second, second.name},
                fmt::format("the name of tensor {} again", pair->first), "names that differ");
  }
  result.data_offset_ = cursor.offset();
  // ggml pads only when there are tensors. No overflow: the offset is one of bytes in memory, the alignment
  // under 2^32.
  if (tensor_count > 0) advance_padded(result.data_offset_, 0, result.alignment_);
  place_data(cursor, result.size(), result.data_offset_, result.tensors_);
  return result;
}

std::span<const std::byte> GgufFile::data_of(const TensorInfo& tensor) const {
  if (tensor.data_bytes == 0) return {};
  FQ_CHECK(tensor.data_offset <= size() && tensor.data_bytes <= size() - tensor.data_offset);
  return bytes().subspan(tensor.data_offset, tensor.data_bytes);
}

const MetadataEntry* GgufFile::find(std::string_view key) const {
  auto place = std::lower_bound(
      metadata_by_key_.begin(), metadata_by_key_.end(), key,
      [this](size_t index, std::string_view wanted) { return metadata_[index].key < wanted; });
  // "a", then every "a\0...": all of these are "a" to ggml, which takes the first of the file.
  size_t first = metadata_.size();
  for (; place != metadata_by_key_.end(); ++place) {
    std::string_view candidate = metadata_[*place].key;
    if (candidate != key && up_to_nul(candidate) != key) break;
    first = std::min(first, *place);
  }
  return first == metadata_.size() ? nullptr : &metadata_[first];
}

}  // namespace fakequant
