#pragma once
// The weights of a loaded model, by name: read and exchanged where llama.cpp keeps them. Knows no formats and no
// plans.

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/model.h"
#include "types/tensor_type.h"

struct ggml_tensor;

namespace fakequant {

// The weights that the model's graph uses. Found by running two tokens through it: llama.cpp has no list of them.
// A weight of the file that is not here influences no logits.
class ModelWeights {
 public:
  // `context` is how many tokens the model's decoders have room for in one sequence: above its original context a
  // model can use other weights (rope_factors_long in place of rope_factors_short).
  //
  // The model must outlive the result, and must not be loaded with ModelOptions::repack or mapped (checked):
  // rearranged weights cannot be read back, and the pages of a file not written. Throws Error with llama.cpp's words when the two tokens cannot be run.
  ModelWeights(const LoadedModel& model, int context);

  bool contains(const std::string& name) const { return tensors_.contains(name); }
  std::vector<std::string> names() const;  // in order
  TensorType type(const std::string& name) const;
  size_t bytes(const std::string& name) const;

  // Copies a weight's bytes, in the storage type of the file, into all of `bytes` (checked size).
  void read(const std::string& name, std::span<std::byte> bytes) const;

  // Whether all tensors of that name hold `bytes` from byte `offset` on. May be called from several threads.
  bool holds(const std::string& name, size_t offset, std::span<const std::byte> bytes) const;

  // Puts `bytes` in the weight's place and leaves in them what was there before: twice is as never. Not while a
  // decoder of the model works. One name can stand for several tensors (tied embeddings); all get the same bytes.
  void exchange(const std::string& name, std::span<std::byte> bytes);

 private:
  const std::vector<ggml_tensor*>& at(const std::string& name) const;

  std::map<std::string, std::vector<ggml_tensor*>> tensors_;  // those of one name hold the same values
};

}  // namespace fakequant
