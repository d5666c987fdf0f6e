#include "evaluate/evaluation_inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "engine/chunk_decoder.h"
#include "engine/prompt.h"

namespace fakequant {

InputModel::InputModel(std::string given_name, const Model& opened)
    : name(std::move(given_name)), model(&opened) {
  for (const std::string& path : opened.paths()) states.emplace_back(path);
}

EvaluationInputs::EvaluationInputs(std::vector<InputModel> models, std::vector<InputText> texts,
                                   InputOptions options)
    : models_(std::move(models)), texts_(std::move(texts)), options_(options) {
  FQ_CHECK(!models_.empty());
  for (InputModel& model : models_) open(model);
  settle_context();
  if (options_.compared) check_vocabularies();
  if (options_.compared && options_.makes_texts && options_.logits_file == nullptr) check_ends();
}

void EvaluationInputs::open(InputModel& model) const {
  model.planned.emplace(
      LoadedModel::load(model.model->paths(), options_.model, LoadedModel::Weights::planned));
  model.planned->require_text_model();
  if (model.planned->adds_eos()) {
    throw Error(
        "{}: found a vocabulary that puts an end after every text, wanted one that does not: chunks cut from "
        "the "
        "middle of a text would have none",
        printable(model.name));
  }
}

void EvaluationInputs::check_unchanged() const {
  for (const InputModel& model : models_) {
    for (const FileState& state : model.states) {
      if (!state.is_current())
        throw Error("{}: the file changed while it was evaluated, wanted one that stays",
                    printable(state.path()));
    }
  }
}

void EvaluationInputs::settle_context() {
  int wanted = options_.decode.context;
  int context = default_context(0);
  for (const InputModel& model : models_)
    context = std::min(context, default_context(model.planned->training_context()));
  if (options_.logits_file != nullptr) {
    context = options_.logits_file->context();
    if (wanted > 0 && wanted != context) {
      throw Error("{} {}: found a baseline with chunks of {} tokens in {}, wanted the same",
                  options_.names.context, wanted, context, printable(options_.logits_file->path()));
    }
  }
  DecodeOptions& decode = options_.decode;
  if (wanted == 0) decode.context = context;
  if (decode.batch == 0) {
    int most =
        static_cast<int>(std::min<int64_t>(kDefaultBatch, int64_t{decode.context} * most_chunks_together()));
    decode.batch = std::max(most, 1);
  }
  check_batch();
  for (const InputModel& model : models_) check_positions(model);
}

void EvaluationInputs::check_batch() const {
  const DecodeOptions& decode = options_.decode;
  int chunks = decode.batch / decode.context;
  int most = most_chunks_together();
  if (chunks <= most) return;
  const char* name = options_.names.batch;
  throw Error("{} {}: found {} chunks of {} tokens in a batch, wanted at most {}; give {} {}", name,
              decode.batch, chunks, decode.context, most, name, int64_t{most} * decode.context);
}

// A model that looks positions up has no more than its table holds; llama.cpp would end the process.
void EvaluationInputs::check_positions(const InputModel& model) const {
  const TensorInfo* table = model.model->find("position_embd.weight");
  if (table == nullptr || table->shape.size() < 2 || options_.decode.context <= table->shape[1]) return;
  throw Error("{}: found positions for {} tokens, wanted them for the {} of {}", printable(model.name),
              table->shape[1], options_.decode.context, options_.names.context);
}

std::vector<std::string> EvaluationInputs::context_warnings() const {
  std::vector<std::string> warnings;
  for (const InputModel& model : models_) {
    int trained = model.planned->training_context();
    if (trained == 0 || options_.decode.context <= trained) continue;
    warnings.push_back(fmt::format("{}: {} {} is more than the {} tokens that the model was trained on",
                                   printable(model.name), options_.names.context, options_.decode.context,
                                   trained));
  }
  return warnings;
}

void EvaluationInputs::check_vocabularies() const {
  const InputModel& first = models_.front();
  for (const InputModel& model : models_) {
    std::optional<std::string> difference = model.planned->vocabulary_difference(*first.planned);
    if (!difference) continue;
    throw Error(
        "{}: found another vocabulary than that of {} ({}), wanted the same: their distributions cannot be "
        "compared",
        printable(model.name), printable(first.name), *difference);
  }
  const LogitsFile* file = options_.logits_file;
  if (file != nullptr && file->vocabulary_size() != static_cast<size_t>(first.planned->vocabulary_size())) {
    throw Error("{}: found log-probabilities of {}, wanted those of the {} that {} has",
                printable(file->path()), counted(file->vocabulary_size(), "token"),
                first.planned->vocabulary_size(), printable(first.name));
  }
}

// Where one text ends and the other goes on there is no token to compare.
void EvaluationInputs::check_ends() const {
  const InputModel& first = models_.front();
  for (const InputModel& model : models_) {
    std::optional<int32_t> token = differing_end(*model.planned, *first.planned);
    if (!token) continue;
    throw Error(
        "{}: found other tokens that end a text than those of {} (token {}, '{}', ends it in one of them), "
        "wanted the same for {}",
        printable(model.name), printable(first.name), *token,
        printable(name_of_token(*first.planned, *token)), options_.names.prompts);
  }
}

TokenizedText EvaluationInputs::text(const InputModel& model, size_t index) const {
  FQ_CHECK(model.planned && index < texts_.size());
  const InputText& text = texts_[index];
  std::vector<int32_t> tokens = model.planned->tokenize(text.content);
  size_t chunks =
      chunk_count(tokens.size(), options_.decode.context, text.chunks, text.name, options_.names.context);
  return {text.name, std::move(tokens), chunks};
}

std::vector<TokenizedText> EvaluationInputs::texts(const InputModel& model) const {
  std::vector<TokenizedText> result;
  for (size_t i = 0; i < texts_.size(); ++i) result.push_back(text(model, i));
  if (options_.logits_file != nullptr) check_logits_file(result);
  return result;
}

void EvaluationInputs::check_logits_file(std::vector<TokenizedText>& texts) const {
  const LogitsFile& file = *options_.logits_file;
  if (texts.size() != 1) {
    throw Error("{}: holds one text's log-probabilities, found {} texts ({})", printable(file.path()),
                texts.size(), options_.names.text);
  }
  TokenizedText& text = texts.front();
  if (texts_.front().chunks && text.chunks > file.chunk_count()) {
    throw Error("{}: found log-probabilities of {}, wanted those of {} ({})", printable(file.path()),
                counted(file.chunk_count(), "chunk"), format_count(text.chunks), options_.names.chunks);
  }
  text.chunks = std::min(text.chunks, file.chunk_count());
  size_t count = text.chunks * static_cast<size_t>(options_.decode.context);
  std::span<const int32_t> theirs = file.tokens().first(count);
  if (!std::equal(theirs.begin(), theirs.end(), text.tokens.begin())) {
    throw Error("{}: found log-probabilities of another text than {}, wanted those of its tokens",
                printable(file.path()), printable(text.file));
  }
}

}  // namespace fakequant
