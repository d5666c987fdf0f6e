#pragma once
// A model that can be loaded, again and again: a file, or one that exists nowhere. And what running it takes, known before
// weights are read.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/decode_options.h"
#include "engine/model.h"
#include "evaluate/evaluation_inputs.h"
#include "gguf/virtual_file.h"

namespace fakequant {

struct ModelSource {
  std::string name;  // as the user gave it, or what it is
  std::function<LoadedModel(LoadedModel::Weights)> load;
  bool is_file = true;  // it exists
  const LoadedModel* planned =
      nullptr;  // the same opened without its weights, where it is at hand; not owned
};

// A model that was opened; it must outlive the source.
ModelSource file_source(const InputModel& model, const ModelOptions& options);

// A model that exists nowhere; `make` gives it again each time it is loaded.
ModelSource virtual_source(std::string name, const ModelOptions& options,
                           std::function<std::unique_ptr<VirtualFile>()> make);

// What running a model takes, in bytes of main memory.
struct MemoryNeeds {
  uint64_t weights = 0;
  uint64_t decoder = 0;       // of each decoder: cache, computation, logits of a group
  uint64_t group_logits = 0;  // of the baseline of a comparison: the logits of one group of chunks, copied
};

// Opens the model without its weights. Throws Error when llama.cpp cannot run it with these options.
MemoryNeeds memory_needs(const ModelSource& source, const DecodeOptions& options);

}  // namespace fakequant
