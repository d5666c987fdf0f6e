#pragma once
// Reads the header of one GGUF file: metadata and tensor table, everything checked before use. Decodes no
// tensor data and knows nothing of model architectures. Split files are put together by shards.h.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/mapped_file.h"
#include "gguf/metadata.h"
#include "types/tensor_type.h"

namespace fakequant {

struct TensorInfo {
  std::string name;  // up to its first NUL, as ggml sees it; at most 63 bytes, may be empty
  TensorType type;
  std::vector<int64_t> shape;  // as the file orders it: shape[0] is the row length; 0 to 4 dimensions
  int64_t row_length;          // shape[0], or 1 for a tensor without dimensions
  int64_t row_count;           // row_length * row_count == value_count; 0 when a dimension is 0
  int64_t value_count;
  uint64_t info_offset;  // of this entry in the tensor table
  uint64_t data_offset;  // of the data, from the start of the file: a multiple of the alignment, nothing more
  uint64_t data_bytes;   // without padding
};

class GgufFile {
 public:
  // Maps and checks `path`. Throws Error naming file, offset, field, found and wanted when the file is not a
  // whole, valid, little-endian GGUF of version 2 or 3 by ggml's rules. The last tensor's padding may be
  // missing. Time and memory grow with the header's bytes that are really there, whatever its counts claim.
  static GgufFile open(const std::string& path);
  // The same for bytes that are mapped already.
  static GgufFile parse(MappedFile file);

  const std::string& path() const { return file_.path(); }
  uint32_t version() const { return version_; }
  uint64_t alignment() const { return alignment_; }
  const std::vector<MetadataEntry>& metadata() const { return metadata_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  std::span<const std::byte> data_of(const TensorInfo& tensor) const;

  // Where the parts of the file lie, in bytes from its start.
  uint64_t metadata_offset() const { return metadata_offset_; }  // first pair
  uint64_t tensor_table_offset() const { return tensor_table_offset_; }
  uint64_t data_offset() const {
    return data_offset_;
  }  // first tensor's data; where the header ends when there is none
  uint64_t size() const { return file_.bytes().size(); }
  const MappedFile& file() const { return file_; }

  // The pair with this key, or null. The returned pointer lives as long as the GgufFile. Keys count up to
  // their first NUL, and the first pair wins, as for ggml.
  const MetadataEntry* find(std::string_view key) const;

 private:
  MappedFile file_;
  uint32_t version_ = 0;
  uint64_t alignment_ = 0;
  uint64_t metadata_offset_ = 0;
  uint64_t tensor_table_offset_ = 0;
  uint64_t data_offset_ = 0;
  std::vector<MetadataEntry> metadata_;
  std::vector<size_t> metadata_by_key_;  // indices of metadata_, ordered by key
  std::vector<TensorInfo> tensors_;
};

}  // namespace fakequant
