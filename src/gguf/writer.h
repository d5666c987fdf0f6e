#pragma once
// Plans and writes a changed copy of a GGUF file: what is kept, what moves, and the new header. Knows ranges
// of bytes and the tensor table's encoding, not what the values mean. The file itself is a PendingFile: whole
// or not at all.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/pending_file.h"
#include "gguf/reader.h"
#include "gguf/shards.h"

namespace fakequant {

// A piece of an output file, in order of its place.
struct TensorLayout {
  const TensorInfo* source;
  TensorType type;       // what the output stores
  uint64_t data_offset;  // from the start of the output
  uint64_t data_bytes;
};

struct StampEntry {
  std::string key;    // fakequant.*
  std::string value;  // stored as a string
};

// Where everything of one output file goes, decided before a byte is written. Refers to its input, a file or a
// model, which must outlive it.
struct FileLayout {
  bool header_unchanged;  // the bytes before the data are the input's own; else they are these three, in
                          // order:
  std::vector<std::byte> head;  // magic, version, counts
  std::vector<std::span<const std::byte>>
      kept_metadata;            // the input's pairs verbatim, in runs as long as possible
  std::vector<std::byte> tail;  // stamped pairs, tensor table (padding is not part of it)
  std::vector<TensorLayout> tensors;
  uint64_t data_offset;
  uint64_t size;
};

// Plans the output for `input` when tensor i will be stored as types[i] and `stamp` is added to (or replaces
// equal keys of) its metadata. When no type changes and there is no stamp, every offset equals the input's,
// also of trailing bytes. Else metadata pairs keep their bytes and order (but for replaced ones), stamped
// pairs follow, tensors keep their order, the last tensor is padded, and bytes behind it are dropped. Throws
// Error when a row is no multiple of the new type's block.
FileLayout plan_layout(const GgufFile& input, std::span<const TensorType> types,
                       const std::vector<StampEntry>& stamp);

// Plans one file that holds all of `model`, tensor i of all its parts stored as types[i]. A model of one part is
// planned as that file is, without a stamp. Of several parts, metadata are the first one's without `split.no`,
// `split.count` and `split.tensors.count`, tensors follow each other as the model orders them, aligned as the first
// part says, and bytes that are no tensor's are zero. Throws as plan_layout does.
FileLayout plan_merged_layout(const Model& model, std::span<const TensorType> types);

// Writes header, metadata and all tensors but those for which `rewritten[i]` is true, whose bytes the caller
// writes (every byte of their data); a tensor whose type changes must be among them. Padding is zero when the
// layout changed and the input's own otherwise. Returns the pending file, not yet synced.
PendingFile write_untouched(const GgufFile& input, const FileLayout& layout,
                            const std::vector<bool>& rewritten, const std::string& target);

}  // namespace fakequant
