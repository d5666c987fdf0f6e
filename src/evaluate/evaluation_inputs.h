#pragma once
// The models and texts of an evaluation: opened without weights and checked against each other, so that what cannot be measured
// is refused before anything is loaded. Knows no variants and no command line.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/file_state.h"
#include "engine/decode_options.h"
#include "engine/model.h"
#include "evaluate/corpus.h"
#include "evaluate/logits_file.h"
#include "evaluate/setting_names.h"
#include "gguf/shards.h"

namespace fakequant {

inline constexpr int kDefaultBatch = 2048;  // tokens

// A model that was opened, and what its files were like then.
struct InputModel {
  // `opened` just now; it must stay where it is as long as this does.
  InputModel(std::string name, const Model& opened);

  std::string name;                    // for messages
  const Model* model;                  // not owned
  std::vector<FileState> states;       // of its parts
  std::optional<LoadedModel> planned;  // without its weights; EvaluationInputs opens it
};

struct InputText {
  std::string name;                   // for messages and results
  std::string content;                // as read_text() gives it
  std::optional<size_t> chunks = {};  // the most of its chunks that count; nothing: all
};

struct InputOptions {
  ModelOptions model = {};
  DecodeOptions decode{.context = 0, .batch = 0};  // a context or batch of 0 is chosen: see EvaluationInputs
  bool compared = false;                           // models are compared: they have the same vocabulary
  bool makes_texts = false;  // compared models make texts: these end with the same tokens
  const LogitsFile* logits_file =
      nullptr;  // what models are compared with, where that is no model; not owned
  SettingNames names = {};
};

// Stays where it is: results refer to it.
class EvaluationInputs {
 public:
  // Opens the models without their weights and settles the context: as asked for, else that of the logits file, else the smallest
  // default_context() of the models; and the batch: as asked for, else kDefaultBatch, or what as many short chunks have as can be
  // decoded together.
  //
  //   models   at least one, each file once
  //   throws   Error for models that llama.cpp refuses, that do not predict the next token, that end every text with a token, or that
  //            have fewer positions than the context; where compared models differ in their vocabulary or, making texts, in what ends
  //            one; for a context or a vocabulary that the logits file does not have; for a batch of more chunks than can be decoded
  //            together
  EvaluationInputs(std::vector<InputModel> models, std::vector<InputText> texts, InputOptions options);
  EvaluationInputs(const EvaluationInputs&) = delete;
  EvaluationInputs& operator=(const EvaluationInputs&) = delete;

  const std::vector<InputModel>& models() const { return models_; }  // as they were given, all planned
  const DecodeOptions& decode() const { return options_.decode; }    // context and batch settled

  // The texts as a model of models() reads them. Throws Error for one that is too short, or that is not the logits file's.
  std::vector<TokenizedText> texts(const InputModel& model) const;
  // One of them, by its place. Throws Error for one that is too short.
  TokenizedText text(const InputModel& model, size_t index) const;

  // Throws Error when a file of a model has changed since it was opened: then what was measured is of neither version.
  void check_unchanged() const;

  // A sentence for each model that was trained on fewer tokens than a chunk has.
  std::vector<std::string> context_warnings() const;

 private:
  void open(InputModel& model) const;
  void settle_context();
  void check_batch() const;
  void check_positions(const InputModel& model) const;
  void check_vocabularies() const;
  void check_ends() const;
  void check_logits_file(std::vector<TokenizedText>& texts) const;

  std::vector<InputModel> models_;
  std::vector<InputText> texts_;
  InputOptions options_;
};

}  // namespace fakequant
