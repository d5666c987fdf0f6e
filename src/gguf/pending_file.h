#pragma once
// A file written under a temporary name and renamed when it is whole, and what is checked before one is
// begun. Knows nothing of GGUF.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/mapped_file.h"

namespace fakequant {

// A file that appears under its name on publish() and never before. Destroying it unpublished removes it.
class PendingFile {
 public:
  // Creates an empty temporary file beside `target` of `size` bytes (sparse), with the permissions of any new
  // file; its name is .TARGET.fakequant-XXXXXX. A target that is a symbolic link stands for the file it leads
  // to. Throws Error when the folder is not writable, the disk is full, or 1024 pending files live already.
  PendingFile(const std::string& target, uint64_t size);
  ~PendingFile();
  PendingFile(PendingFile&&) noexcept;
  PendingFile& operator=(PendingFile&&) noexcept;

  // Writes all of `bytes` at `offset`. May be called from several threads at once. Throws Error (disk full is
  // named).
  void write(uint64_t offset, std::span<const std::byte> bytes);

  // Copies a range of `source` to `offset` by the kernel where it can (copy_file_range), else through a
  // buffer of 1 MiB. Throws Error, also when `source` has become too short.
  void copy_from(const MappedFile& source, uint64_t source_offset, uint64_t offset, uint64_t byte_count);

  // Makes this file a reflink clone of all of `source`; false when the file system cannot.
  bool clone_from(const MappedFile& source);

  void sync();  // data and metadata on disk
  // Renames to the target, and syncs the folder when sync() was called. Without `replace`, throws Error when a file
  // of that name has appeared meanwhile.
  void publish(bool replace);

 private:
  void discard() noexcept;
  bool rename_to_target(bool replace) const;
  [[noreturn]] void fail_to_write(int error_number) const;
  bool copy_by_kernel(int source, uint64_t& source_offset, uint64_t& offset, uint64_t& byte_count);
  void copy_by_buffer(const MappedFile& source, uint64_t source_offset, uint64_t offset, uint64_t byte_count);

  std::string target_;
  std::string temporary_;
  int descriptor_ = -1;
  size_t slot_ = 0;  // in the table of living files
  bool synced_ = false;
};

// Removes the temporary files of all living PendingFiles; async-signal-safe, for signal handlers of a process
// that ends.
void remove_pending_files() noexcept;

// Up-front refusals: Error when `target` is one of `inputs` (same file, also by links), exists without
// `force`, is no regular file, lies in a missing or unwritable folder, or when the disk has fewer free bytes
// than needed. What an existing target occupies does not count as free: it stays until the new file is whole.
void check_output(const std::string& target, const std::vector<std::string>& inputs, bool force,
                  uint64_t needed_bytes);

}  // namespace fakequant
