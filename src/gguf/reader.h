#pragma once
// Reads the header of one GGUF file: metadata and tensor table, everything checked before use. Decodes no tensor data and
// knows nothing of model architectures. Split files are put together by shards.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/mapped_file.h"
#include "types/tensor_type.h"

namespace fakequant {

// The numbers are those that stand in files.
enum class MetadataType : uint32_t {
  uint8 = 0, int8 = 1, uint16 = 2, int16 = 3, uint32 = 4, int32 = 5, float32 = 6, boolean = 7, string = 8, array = 9,
  uint64 = 10, int64 = 11, float64 = 12,
};

std::string_view name_of(MetadataType type);  // "u32", "str", "arr" as ggml prints them

// One metadata pair. Offsets are from the start of the file; the bytes stay in the map.
struct MetadataEntry {
  std::string_view key;
  MetadataType type;          // array for arrays
  MetadataType element_type;  // the type itself for scalars
  uint64_t element_count;     // 1 for scalars
  uint64_t offset;            // of the pair (its key's length field)
  std::span<const std::byte> value;    // the scalar, or the array's elements without their type and count
  std::span<const std::byte> encoded;  // the whole pair as it stands in the file
};

struct TensorInfo {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;  // as the file orders it: shape[0] is the row length; 0 to 4 dimensions
  int64_t row_length;          // shape[0], or 1 for a tensor without dimensions
  int64_t row_count;
  int64_t value_count;
  uint64_t info_offset;        // of this entry in the tensor table
  uint64_t data_offset;        // of the data, from the start of the file
  uint64_t data_bytes;         // without padding
};

class GgufFile {
 public:
  // Maps and checks `path`. Throws Error naming file, offset, field, found and wanted when the file is not a whole, valid,
  // little-endian GGUF of version 2 or 3 by ggml's rules.
  static GgufFile open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  const std::vector<MetadataEntry>& metadata() const { return metadata_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  std::span<const std::byte> data_of(const TensorInfo& tensor) const;

  // Where the parts of the file lie, in bytes from its start.
  uint64_t metadata_offset() const { return metadata_offset_; }    // first pair
  uint64_t tensor_table_offset() const { return tensor_table_offset_; }
  uint64_t data_offset() const { return data_offset_; }            // first tensor's data
  uint64_t size() const { return file_.bytes().size(); }
  const MappedFile& file() const { return file_; }

  // The pair with this key, or null. The returned pointer lives as long as the GgufFile.
  const MetadataEntry* find(std::string_view key) const;

 private:
  MappedFile file_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  uint64_t metadata_offset_ = 0;
  uint64_t tensor_table_offset_ = 0;
  uint64_t data_offset_ = 0;
  std::vector<MetadataEntry> metadata_;
  std::vector<TensorInfo> tensors_;
};

// The value of a scalar metadata pair of any integer type that fits, or of a string; nothing for other types.
std::optional<uint64_t> as_unsigned(const MetadataEntry& entry);
std::optional<std::string_view> as_string(const MetadataEntry& entry);

// The value as a person reads it: strings quoted and made printable, arrays cut after `most` elements with their count.
std::string display_value(const MetadataEntry& entry, size_t most = 4);

}  // namespace fakequant
