#include "evaluate/model_source.h"

#include "engine/chunk_decoder.h"

namespace fakequant {

ModelSource file_source(const InputModel& model, const ModelOptions& options) {
  auto load = [paths = model.model->paths(), options](LoadedModel::Weights weights) {
    return LoadedModel::load(paths, options, weights);
  };
  return {model.name, load, true, model.planned ? &*model.planned : nullptr};
}

ModelSource virtual_source(std::string name, const ModelOptions& options,
                           std::function<std::unique_ptr<VirtualFile>()> make) {
  auto load = [make = std::move(make), options](LoadedModel::Weights weights) {
    std::unique_ptr<VirtualFile> file = make();
    return LoadedModel::load(*file, options, weights);
  };
  return {std::move(name), load, false};
}

MemoryNeeds memory_needs(const ModelSource& source, const DecodeOptions& options) {
  std::optional<LoadedModel> opened;
  if (source.planned == nullptr) opened.emplace(source.load(LoadedModel::Weights::planned));
  ChunkDecoder decoder(opened ? *opened : *source.planned, options);
  ChunkDecoder::Memory memory = decoder.memory();
  return {memory.weights, memory.working, decoder.group_logits_bytes()};
}

}  // namespace fakequant
