#pragma once
// A model as llama.cpp holds it: loaded from files, with its vocabulary. Knows no chunks and no measures.
// With engine/'s other files the only place that sees llama.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/virtual_file.h"

struct llama_model;

namespace fakequant {

struct ModelOptions {
  int gpu_layers =
      -1;  // how many layers a graphics processor gets; negative is all, without one of no effect
  bool repack = false;  // let ggml rearrange weights for speed: they cannot be read back, and digits change
  bool mapped =
      false;  // use the pages of the file rather than copies: quicker to load, and weights cannot be changed
};

// Safe to use from several threads, as far as it is const.
class LoadedModel {
 public:
  enum class Weights {
    loaded,
    planned,  // nothing is read but the header: vocabulary, facts and the memory that it would take
  };

  // Loads the model in `paths`: one file, or all parts of a split one, in order. Without options.mapped nothing is
  // memory-mapped, so that weights can be changed. Throws Error with llama.cpp's own words when it refuses.
  static LoadedModel load(const std::vector<std::string>& paths, const ModelOptions& options,
                          Weights weights);
  // The same of a file that exists nowhere; `file` is not needed afterwards. Made tensors are made once each as long
  // as llama.cpp reads each once. Throws also what making them throws.
  static LoadedModel load(VirtualFile& file, const ModelOptions& options, Weights weights);

  // Throws Error when the model has no text vocabulary or does not predict the next token.
  void require_text_model() const;

  const std::string& path() const { return path_; }  // the first file; of a virtual one the model's
  llama_model* get() const { return model_.get(); }  // for engine/ only

  bool is_repacked() const { return options_.repack; }
  bool is_mapped() const { return options_.mapped; }
  uint64_t weight_bytes() const;  // of all tensors
  int vocabulary_size() const;
  bool uses_gpu() const;                           // whether a graphics processor holds a part of it
  int training_context() const;                    // tokens; 0 when the model does not say
  enum class SpecialWords { as_text, as_tokens };  // "</s>" and the like in a text
  // Above how many tokens of context the model turns positions by other factors ("longrope"); 0 for a model that does
  // not.
  int longrope_context() const;
  // Token ids of `text`, with what the model wants before and after every text (BOS, mostly). Throws Error for
  // more than 2^31 tokens, and where the vocabulary has none for some byte.
  std::vector<int32_t> tokenize(std::string_view text, SpecialWords words = SpecialWords::as_text) const;
  bool adds_bos() const;
  bool adds_eos() const;
  int32_t bos() const;
  // What differs first between the vocabularies of two models, as a sentence without subject; nothing when tokens of
  // one mean the same to the other.
  std::optional<std::string> vocabulary_difference(const LoadedModel& other) const;

 private:
  template <typename Source>
  static LoadedModel load_with(const Source& source, const std::string& path, const ModelOptions& options,
                               Weights weights);

  struct Free {
    void operator()(llama_model* model) const;
  };
  std::string path_;
  ModelOptions options_;
  std::unique_ptr<llama_model, Free> model_;
};

}  // namespace fakequant
