#include "cli/evaluate_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "engine/prompt.h"

namespace fakequant::cli {

namespace {

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

std::optional<size_t> most_chunks(const EvaluateOptions& options) {
  if (options.chunks == 0) return std::nullopt;
  return static_cast<size_t>(options.chunks);
}

}  // namespace

ModelSource InputFile::source(const ModelOptions& options) const {
  auto load = [paths = model.paths(), options](LoadedModel::Weights weights) {
    return LoadedModel::load(paths, options, weights);
  };
  return {name, load, true, planned ? &*planned : nullptr};
}

EvaluateInputs::EvaluateInputs(EvaluateOptions& options, const CommonOptions& common) : options_(options) {
  for (const std::string& path : options_.texts) contents_.push_back(read_text(path));
  if (!options_.recipe.importance.empty()) importance_ = ImportanceMatrix::load(options_.recipe.importance);
  open_files(common);
  settle_context();
  if (options_.compares()) check_vocabularies();
  if (options_.compares() && !options_.text.prompts.empty() && !logits_file_) check_ends();
}

// Every model once, without its weights.
void EvaluateInputs::open_files(const CommonOptions& common) {
  std::vector<std::string> names = options_.models;
  std::vector<std::string> inputs = options_.texts;
  if (!options_.baseline.empty()) {
    std::string path = model_path(options_.baseline);
    if (LogitsFile::looks_like_one(path)) {
      logits_file_.emplace(path);
      inputs.push_back(path);
    } else {
      names.push_back(options_.baseline);
    }
  }
  for (const std::string& name : names) {
    bool known = std::any_of(files_.begin(), files_.end(), [&](const InputFile& file) {
      return same_file(file.model.path(), model_path(name));
    });
    if (known) continue;
    files_.push_back({name, open_model(name), std::nullopt, {}});
    for (const std::string& path : files_.back().model.paths()) {
      files_.back().states.emplace_back(path);
      inputs.push_back(path);
    }
  }
  inputs.insert(inputs.end(), options_.recipe.recipes.begin(), options_.recipe.recipes.end());
  if (!options_.recipe.importance.empty()) inputs.push_back(options_.recipe.importance);
  if (options_.text.reads_file()) inputs.push_back(options_.text.prompts);
  check_json_target(common, inputs);
  for (InputFile& file : files_) {
    file.planned.emplace(
        LoadedModel::load(file.model.paths(), options_.model, LoadedModel::Weights::planned));
    file.planned->require_text_model();
    if (file.planned->adds_eos()) {
      throw Error(
          "{}: found a vocabulary that puts an end after every text, wanted one that does not: "
          "chunks cut from the middle of a text would have none",
          printable(file.name));
    }
  }
}

const InputFile& EvaluateInputs::file(const std::string& name) const {
  auto found = std::find_if(files_.begin(), files_.end(), [path = model_path(name)](const InputFile& file) {
    return same_file(file.model.path(), path);
  });
  FQ_CHECK(found != files_.end());
  return *found;
}

void EvaluateInputs::check_unchanged() const {
  for (const InputFile& file : files_) {
    for (const FileState& state : file.states) {
      if (!state.is_current())
        throw Error("{}: the file changed while it was evaluated, wanted one that stays",
                    printable(state.path()));
    }
  }
}

void EvaluateInputs::settle_context() {
  int context = default_context(0);
  for (const InputFile& file : files_)
    context = std::min(context, default_context(file.planned->training_context()));
  if (logits_file_) {
    context = logits_file_->context();
    if (options_.context > 0 && options_.context != context) {
      throw Error("-c {}: found a baseline with chunks of {} tokens in {}, wanted the same", options_.context,
                  context, printable(logits_file_->path()));
    }
  }
  options_.decode.context = options_.context > 0 ? options_.context : context;
  options_.decode.batch = options_.batch;
  if (options_.batch == 0) {
    int most = static_cast<int>(
        std::min<int64_t>(kDefaultBatch, int64_t{options_.decode.context} * most_chunks_together()));
    options_.decode.batch = std::max(most, 1);
  }
  for (const InputFile& file : files_) check_positions(file);
}

// A model that looks positions up has no more than its table holds; llama.cpp would end the process.
void EvaluateInputs::check_positions(const InputFile& file) const {
  const TensorInfo* table = file.model.find("position_embd.weight");
  if (table == nullptr || table->shape.size() < 2 || options_.decode.context <= table->shape[1]) return;
  throw Error("{}: found positions for {} tokens, wanted them for the {} of -c", printable(file.name),
              table->shape[1], options_.decode.context);
}

void EvaluateInputs::warn_of_context(const CommonOptions& common) const {
  for (const InputFile& file : files_) {
    int trained = file.planned->training_context();
    if (trained == 0 || options_.decode.context <= trained) continue;
    warn(common, fmt::format("{}: -c {} is more than the {} tokens that the model was trained on",
                             printable(file.name), options_.decode.context, trained));
  }
}

void EvaluateInputs::check_vocabularies() const {
  const InputFile& first = files_.front();
  for (const InputFile& file : files_) {
    std::optional<std::string> difference = file.planned->vocabulary_difference(*first.planned);
    if (!difference) continue;
    throw Error(
        "{}: found another vocabulary than that of {} ({}), wanted the same: their distributions cannot be "
        "compared",
        printable(file.name), printable(first.name), *difference);
  }
  if (logits_file_ &&
      logits_file_->vocabulary_size() != static_cast<size_t>(first.planned->vocabulary_size())) {
    throw Error("{}: found log-probabilities of {}, wanted those of the {} that {} has",
                printable(logits_file_->path()), counted(logits_file_->vocabulary_size(), "token"),
                first.planned->vocabulary_size(), printable(first.name));
  }
}

// Where one text ends and the other goes on there is no token to compare.
void EvaluateInputs::check_ends() const {
  const InputFile& first = files_.front();
  for (const InputFile& file : files_) {
    std::optional<int32_t> token = differing_end(*file.planned, *first.planned);
    if (!token) continue;
    throw Error(
        "{}: found other tokens that end a text than those of {} (token {}, '{}', ends it in one of them), "
        "wanted the same for --prompts",
        printable(file.name), printable(first.name), *token,
        printable(name_of_token(*first.planned, *token)));
  }
}

std::vector<TokenizedText> EvaluateInputs::texts(const InputFile& file) const {
  std::vector<TokenizedText> result;
  for (size_t i = 0; i < contents_.size(); ++i) {
    std::vector<int32_t> tokens = file.planned->tokenize(contents_[i]);
    size_t chunks =
        chunk_count(tokens.size(), options_.decode.context, most_chunks(options_), options_.texts[i]);
    result.push_back({options_.texts[i], std::move(tokens), chunks});
  }
  if (logits_file_) check_logits_file(result);
  return result;
}

void EvaluateInputs::check_logits_file(std::vector<TokenizedText>& texts) const {
  if (texts.size() != 1)
    throw Error("{}: holds one text's log-probabilities, found {} texts (-f)",
                printable(logits_file_->path()), texts.size());
  TokenizedText& text = texts.front();
  if (options_.chunks > 0 && text.chunks > logits_file_->chunk_count()) {
    throw Error("{}: found log-probabilities of {}, wanted those of {} (--chunks)",
                printable(logits_file_->path()), counted(logits_file_->chunk_count(), "chunk"),
                format_count(text.chunks));
  }
  text.chunks = std::min(text.chunks, logits_file_->chunk_count());
  size_t count = text.chunks * static_cast<size_t>(options_.decode.context);
  std::span<const int32_t> theirs = logits_file_->tokens().first(count);
  if (!std::equal(theirs.begin(), theirs.end(), text.tokens.begin())) {
    throw Error("{}: found log-probabilities of another text than {}, wanted those of its tokens",
                printable(logits_file_->path()), printable(text.file));
  }
}

}  // namespace fakequant::cli
