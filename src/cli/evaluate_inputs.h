#pragma once
// The models and texts that evaluate is given: opened without weights and checked against each other. Knows no variants.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_state.h"
#include "cli/evaluate_texts.h"
#include "cli/recipe_options.h"
#include "evaluate/corpus.h"
#include "evaluate/logits_file.h"
#include "evaluate/session.h"

namespace fakequant::cli {

inline constexpr int kDefaultBatch = 2048;  // tokens

struct EvaluateOptions {
  std::vector<std::string> models;
  std::vector<std::string> texts;
  int context = 0;  // 0: the smaller of 512 and the training context
  int batch = 0;    // 0: kDefaultBatch, or what as many short chunks have as can be decoded together
  int chunks = 0;   // 0: all
  std::string flash_attention = "auto";
  std::string cache_k = "f16";
  std::string cache_v = "f16";
  ModelOptions model;
  DecodeOptions decode;
  int threads = 1;
  std::string baseline;  // a model, or logits of llama-perplexity; "" for none
  RecipeOptions recipe;
  std::string control;  // a format or "none"; "" for bf16
  std::optional<uint64_t> logits_bytes;
  bool real = false;
  bool per_chunk = false;
  TextOptions text;  // --prompts and --speed

  bool compares() const { return !baseline.empty() || recipe.given(); }
};

// A model's file.
struct InputFile {
  std::string name;  // as the user gave it
  Model model;
  std::optional<LoadedModel> planned;  // without its weights
  std::vector<FileState> states;       // of its parts, when it was opened

  ModelSource source(const ModelOptions& options) const;
};

class EvaluateInputs {
 public:
  // Opens all models and reads all texts, and settles options.decode.context. Throws Error for what cannot be read or evaluated, and
  // where models that are compared have different vocabularies, or end the texts of --prompts with different tokens.
  EvaluateInputs(EvaluateOptions& options, const CommonOptions& common);
  EvaluateInputs(const EvaluateInputs&) = delete;
  EvaluateInputs& operator=(const EvaluateInputs&) = delete;

  const InputFile& file(const std::string& name) const;          // of a MODEL argument or the baseline
  const std::deque<InputFile>& files() const { return files_; }  // each once
  const std::optional<LogitsFile>& logits_file() const {
    return logits_file_;
  }  // the baseline, where it is one
  const ImportanceMatrix& importance() const { return importance_; }

  // The texts as the model reads them. Throws Error for one that is too short, or that is not the logits file's.
  std::vector<TokenizedText> texts(const InputFile& file) const;

  // Throws Error when a file of a model has changed since it was opened: then what was measured is of neither version.
  void check_unchanged() const;

  // Warns of models that were trained on fewer tokens than a chunk has.
  void warn_of_context(const CommonOptions& common) const;

 private:
  void open_files(const CommonOptions& common);
  void settle_context();
  void check_positions(const InputFile& file) const;
  void check_vocabularies() const;
  void check_ends() const;
  void check_logits_file(std::vector<TokenizedText>& texts) const;

  EvaluateOptions& options_;
  std::vector<std::string> contents_;  // of the texts
  std::deque<InputFile> files_;
  std::optional<LogitsFile> logits_file_;
  ImportanceMatrix importance_;
};

}  // namespace fakequant::cli
