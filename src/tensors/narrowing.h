#pragma once
// Which smaller storage types hold a tensor's values exactly: what `--store narrow` chooses and inspect
// reports.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "analysis/precision.h"
#include "tensors/rounder.h"

namespace fakequant {

// Whether `--store narrow` may change this tensor's type: the role group "matrices" without those that
// llama-quantize leaves alone and llama.cpp's converters keep in F32, since loaders and kernels count on that
// (ssm_conv1d, routers, position embeddings, ...). llama.cpp v0.5.0, llama-quant.cpp,
// tensor_allows_quantization.
bool may_narrow(const TensorInfo& info);

// The smallest of F16, BF16 that holds values with these needs, or nothing. F16 is tried first: more of
// llama.cpp's kernels run it fast.
std::optional<TensorType> exact_half_type(const PrecisionNeeds& needs);

// Finds the quantized storage types that give values back exactly after ggml's own quantizer, without
// importance: all that llama.cpp runs as weights but iq1, iq2 and iq3, whose search is too slow to try. By
// value: few of these types have a -0, and 0 in its place changes no product.
//
// Feed it every piece of a tensor, one row first: what fails once is not tried again, so that tensors on no
// grid cost one row. Pieces may be added in parallel.
class ExactQuantizedTypes {
 public:
  // Types whose blocks divide the rows and all these pieces.
  ExactQuantizedTypes(const TensorInfo& info, std::span<const Piece> pieces);

  bool none_left() const;
  void add(std::span<const float> values, std::vector<std::byte>& bytes, std::vector<float>& restored);
  // The one of fewest bits per weight that held all values given so far.
  std::optional<TensorType> smallest() const;

 private:
  struct Candidate {
    TensorType type;
    std::atomic<bool> holds = true;
    explicit Candidate(TensorType t) : type(t) {}
  };
  int64_t row_length_;
  std::vector<std::unique_ptr<Candidate>> candidates_;  // of fewest bits per weight first
};

// What rounded values need of a storage type.
struct StorageNeeds {
  PrecisionNeeds needs;
  bool changed = false;  // rounding changes a value
  // The format itself when it is a ggml type; else the smallest that holds all, if it was looked for.
  std::optional<TensorType> quantized;
};

// Reads and rounds a tensor once, and its first row twice when quantized types are looked for. `advance` is
// called with the bytes done, from any thread.
StorageNeeds storage_needs(const TensorView& view, const Rounder& rounder, bool quantized_types,
                           const std::function<void(uint64_t)>& advance);

// Only the smallest quantized type, of the values as they are; a tensor on no grid costs one row.
std::optional<TensorType> exact_quantized_type(const TensorView& view);

// The smallest exact storage type of a tensor after rounding.
//
//   narrow   false (auto): its own type when that holds the values, else the first of F16, BF16, F32 that
//            does. true: then also rounded.quantized when that is smaller and may_narrow() allows
TensorType smallest_exact(const TensorInfo& info, bool narrow, const StorageNeeds& rounded);

}  // namespace fakequant
