#pragma once
// Importance matrices as llama-imatrix writes them: for each weight tensor the mean square of what it is
// multiplied with, per input channel. Reads the GGUF form and the older binary one. Knows no formats.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "gguf/mapped_file.h"
#include "gguf/reader.h"

namespace fakequant {

class ImportanceMatrix {
 public:
  ImportanceMatrix() = default;

  // Throws Error naming file and entry for files that are neither form, cut short, or hold values that are
  // not finite. The values stay in the map.
  static ImportanceMatrix load(const std::string& path);

  bool empty() const { return entries_.empty(); }
  size_t entry_count() const { return entries_.size(); }

  // The weights for this tensor: row_length per matrix (expert), one after the other, as llama-quantize
  // computes them; empty when the file has none for it. Throws Error when there is an entry of another size,
  // or one that is zero, or next to it, in all of a matrix (ggml would store zeros).
  std::vector<float> weights_for(const TensorInfo& tensor) const;

 private:
  // F32 values in the map, at any alignment.
  struct Floats {
    std::span<const std::byte> bytes;
    size_t count() const { return bytes.size() / sizeof(float); }
    float at(size_t index) const;
  };
  struct Entry {
    Floats sums;
    Floats counts;  // one per matrix; of the older form none, which divides by `calls`
    int32_t calls = 0;
  };
  class LegacyReader;
  void read_gguf();
  void check_values() const;
  float weight(const Entry& entry, size_t index) const;

  std::string path_;
  MappedFile file_;
  std::map<std::string, Entry> entries_;
};

// The slice of `weights` (as weights_for gives them) for a row of the tensor; empty for empty weights.
std::span<const float> weights_for_row(std::span<const float> weights, const TensorInfo& tensor, int64_t row);

// How many consecutive rows, from `row` on, share its slice.
int64_t rows_sharing_weights(const TensorInfo& tensor, int64_t row);

}  // namespace fakequant
