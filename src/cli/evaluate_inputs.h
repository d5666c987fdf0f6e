#pragma once
// The options of evaluate, and the files that they name: opened, read, and handed to EvaluationInputs. Knows no variants.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "cli/evaluate_texts.h"
#include "cli/recipe_options.h"
#include "evaluate/evaluation_inputs.h"
#include "tensors/importance.h"

namespace fakequant::cli {

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

// Opens what the options name.
class EvaluateInputs {
 public:
  // Reads all texts, opens all models, and puts the settled context and batch into options.decode. Throws Error for what cannot be
  // read, and as EvaluationInputs does.
  EvaluateInputs(EvaluateOptions& options, const CommonOptions& common);
  EvaluateInputs(const EvaluateInputs&) = delete;
  EvaluateInputs& operator=(const EvaluateInputs&) = delete;

  const InputModel& model(const std::string& name) const;  // of a MODEL argument or the baseline
  const EvaluationInputs& checked() const { return *checked_; }
  // The baseline, where it is one.
  const std::optional<LogitsFile>& logits_file() const { return logits_file_; }
  const ImportanceMatrix& importance() const { return importance_; }

 private:
  std::vector<InputModel> open_models(const EvaluateOptions& options, const CommonOptions& common);

  std::deque<Model> opened_;
  std::optional<LogitsFile> logits_file_;
  ImportanceMatrix importance_;
  std::optional<EvaluationInputs> checked_;
};

}  // namespace fakequant::cli
