#pragma once
// Writes a GGUF file whole or not at all: under a temporary name beside the target, synced, renamed. Knows ranges of
// bytes and the tensor table's encoding, not what the values mean.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gguf/reader.h"

namespace fakequant {

// A file that appears under its name on commit() and never before. Destroying it uncommitted removes it.
class PendingFile {
 public:
  // Creates an empty temporary file beside `target` of `size` bytes (sparse). Throws Error when the folder is not writable.
  PendingFile(std::string target, uint64_t size);
  ~PendingFile();
  PendingFile(PendingFile&&) noexcept;
  PendingFile& operator=(PendingFile&&) noexcept;

  // Writes all of `bytes` at `offset`. May be called from several threads at once. Throws Error (disk full is named).
  void write(uint64_t offset, std::span<const std::byte> bytes);

  // Copies a range of `source` to `offset` by the kernel where it can (copy_file_range), else through a buffer.
  void copy_from(const MappedFile& source, uint64_t source_offset, uint64_t offset, uint64_t byte_count);

  // Makes this file a reflink clone of all of `source`; false when the file system cannot.
  bool clone_from(const MappedFile& source);

  void sync();     // data and metadata on disk
  void publish();  // rename to the target (replacing it), and sync the folder when sync() was called

 private:
  void discard() noexcept;
  std::string target_;
  std::string temporary_;
  int descriptor_ = -1;
  bool synced_ = false;
};

// Removes the temporary files of all living PendingFiles; async-signal-safe, for signal handlers.
void remove_pending_files() noexcept;

// Up-front refusals: Error when `target` is one of `inputs` (same file, also by links), exists without `force`,
// is no regular file, lies in a missing or unwritable folder, or when the disk has fewer free bytes than needed.
void check_output(const std::string& target, const std::vector<std::string>& inputs, bool force, uint64_t needed_bytes);

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

// Where everything of one output file goes, decided before a byte is written.
struct FileLayout {
  bool header_unchanged;          // the bytes before the data are the input's own
  std::vector<std::byte> head;    // else: magic, version, counts; followed by the input's metadata verbatim, then
  std::vector<std::byte> tail;    //       stamped pairs, tensor table, padding
  std::vector<TensorLayout> tensors;
  uint64_t data_offset;
  uint64_t size;
};

// Plans the output for `input` when tensor i will be stored as types[i] and `stamp` is added to (or replaces equal keys of)
// its metadata. When no type changes and there is no stamp, every offset equals the input's, also of trailing bytes.
FileLayout plan_layout(const GgufFile& input, std::span<const TensorType> types, const std::vector<StampEntry>& stamp);

// Writes header, metadata and all tensors but those for which `rewritten[i]` is true, whose bytes the caller writes (every byte of
// their data); padding is zero when the layout changed and the input's own otherwise. Returns the pending file, not yet synced.
PendingFile write_untouched(const GgufFile& input, const FileLayout& layout, const std::vector<bool>& rewritten,
                            const std::string& target);

}  // namespace fakequant
