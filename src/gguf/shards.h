#pragma once
// A model as one or more GGUF files: finds all parts of a split model from any one of them.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/reader.h"

namespace fakequant {

class Model {
 public:
  // Opens the file, and when its name ends in -00001-of-0000N.gguf (any part) and its metadata says it is
  // split, all parts. Throws Error naming the part that is missing or does not belong (split.no, split.count,
  // split.tensors.count disagree, a tensor name in two parts), and for a split file whose name does not say
  // which part it is. At most 65535 parts.
  static Model open(const std::string& path);

  const std::vector<GgufFile>& shards() const { return shards_; }
  // One entry per tensor over all shards, in file order.
  struct Located {
    size_t shard_index;
    const TensorInfo* info;
  };
  const std::vector<Located>& tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;
  std::span<const std::byte> data_of(const Located& tensor) const;

  // general.architecture, or "" when the file has none.
  std::string architecture() const;
  uint64_t total_bytes() const;
  const std::string& path() const;         // as the user gave it
  std::vector<std::string> paths() const;  // of every part

 private:
  void index_tensors();

  std::string path_;
  std::vector<GgufFile> shards_;
  std::vector<Located> tensors_;
  std::vector<size_t> by_name_;  // indices of tensors_, ordered by name
};

// The names of the parts of a split model: ("dir/a-00002-of-00003.gguf") gives the three, in order; a name
// without that ending gives itself alone, as does one with part 0, a part beyond the count, or more than
// 65535 parts.
std::vector<std::string> shard_names(const std::string& path);

// Names for `count` output parts: out.gguf becomes out-00001-of-00003.gguf; a name that already has the right
// ending is used as it is. Throws Error when it has the ending of another count.
std::vector<std::string> shard_output_names(const std::string& path, size_t count);

}  // namespace fakequant
