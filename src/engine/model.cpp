#include "engine/model.h"

#include <fmt/format.h>
#include <llama-ext.h>
#include <llama.h>

#include <limits>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "engine/guard.h"
#include "engine/llama_log.h"

namespace fakequant {

namespace {

const llama_vocab* vocabulary_of(const llama_model* model) {
  return llama_model_get_vocab(model);
}

}  // namespace

void LoadedModel::Free::operator()(llama_model* model) const {
  llama_model_free(model);
}

// `source` calls the one of llama.cpp's functions that loads the model, and returns what it returns.
template <typename Source>
LoadedModel LoadedModel::load_with(const Source& source, const std::string& path, const ModelOptions& options,
                                   Weights weights) {
  start_llama();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = options.gpu_layers;
  bool mapped = options.mapped && weights == Weights::loaded;
  params.load_mode = mapped ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
  params.lazy_mode = LLAMA_LAZY_MODE_OFF;  // the other modes map huge embeddings, whatever the load mode
  params.use_extra_bufts = options.repack;
  params.no_alloc = weights == Weights::planned;
  params.progress_callback = [](float, void*) { return true; };
  LoadedModel result;
  result.path_ = path;
  result.options_ = options;
  LlamaLog log;
  CrashGuard guard(path, "loading it");
  result.model_.reset(source(params));
  if (result.model_ == nullptr) throw Error("{}", llama_failure(path, "llama.cpp refuses this model", log));
  return result;
}

LoadedModel LoadedModel::load(const std::vector<std::string>& paths, const ModelOptions& options,
                              Weights weights) {
  FQ_CHECK(!paths.empty());
  auto source = [&](const llama_model_params& params) {
    if (paths.size() == 1) return llama_model_load_from_file(paths.front().c_str(), params);
    std::vector<const char*> names;
    names.reserve(paths.size());
    for (const std::string& path : paths) names.push_back(path.c_str());
    return llama_model_load_from_splits(names.data(), names.size(), params);
  };
  return load_with(source, paths.front(), options, weights);
}

LoadedModel LoadedModel::load(VirtualFile& file, const ModelOptions& options, Weights weights) {
  auto source = [&](const llama_model_params& params) {
    VirtualFile::Stream stream = file.open_stream();
    llama_model* model = llama_model_load_from_file_ptr(stream.get(), params);
    if (model == nullptr) file.rethrow_error();
    return model;
  };
  return load_with(source, file.path(), options, weights);
}

// Perplexity, and all else here, is about the next token.
void LoadedModel::require_text_model() const {
  if (llama_vocab_type(vocabulary_of(get())) == LLAMA_VOCAB_TYPE_NONE)
    throw Error("{}: found no vocabulary in the model, wanted one that reads text", printable(path_));
  if (llama_model_has_encoder(get()) || !llama_model_has_decoder(get())) {
    throw Error("{}: found a model with an encoder, wanted one that only predicts the next token",
                printable(path_));
  }
  if (llama_model_is_diffusion(get()))
    throw Error("{}: found a diffusion model, wanted one that predicts the next token", printable(path_));
}

uint64_t LoadedModel::weight_bytes() const {
  return llama_model_size(get());
}

int LoadedModel::vocabulary_size() const {
  return llama_vocab_n_tokens(vocabulary_of(get()));
}

bool LoadedModel::uses_gpu() const {
  return llama_model_n_devices(get()) > 0;
}

int LoadedModel::training_context() const {
  return llama_model_n_ctx_train(get());
}

int LoadedModel::longrope_context() const {
  auto value_of = [&](const std::string& key) {
    char text[256] = "";
    llama_model_meta_val_str(get(), key.c_str(), text, sizeof text);
    return std::string(text);
  };
  std::string scaling = value_of("general.architecture") + ".rope.scaling.";
  uint64_t context = 0;
  if (value_of(scaling + "type") != "longrope") return 0;
  if (!parse_unsigned(value_of(scaling + "original_context_length"), context)) return 0;
  return static_cast<int>(std::min<uint64_t>(context, std::numeric_limits<int>::max()));
}

std::vector<int32_t> LoadedModel::tokenize(std::string_view text, SpecialWords words) const {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int32_t>::max());
  if (text.size() > kMost)
    throw Error("found a text of {}, wanted at most {}", format_bytes(text.size()), format_bytes(kMost));
  auto length = static_cast<int32_t>(text.size());
  std::vector<int32_t> tokens(text.size() + 2);
  CrashGuard guard(path_, "making tokens of a text");
  auto attempt = [&] {
    auto room = static_cast<int32_t>(std::min(tokens.size(), kMost));
    try {
      return llama_tokenize(vocabulary_of(get()), text.data(), length, tokens.data(), room, true,
                            words == SpecialWords::as_tokens);
    } catch (const std::out_of_range&) {
      // What llama.cpp looks up for a character that is in no token.
      throw Error("{}: found no tokens for the single bytes of this text, wanted a vocabulary that has them",
                  printable(path_));
    }
  };
  int32_t count = attempt();
  if (count < 0 && count != std::numeric_limits<int32_t>::min()) {
    tokens.resize(static_cast<size_t>(-static_cast<int64_t>(count)));
    count = attempt();
  }
  if (count < 0) throw Error("{}: llama.cpp cannot make tokens of this text", printable(path_));
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

bool LoadedModel::adds_bos() const {
  return llama_vocab_get_add_bos(vocabulary_of(get()));
}

bool LoadedModel::adds_eos() const {
  return llama_vocab_get_add_eos(vocabulary_of(get()));
}

int32_t LoadedModel::bos() const {
  return llama_vocab_bos(vocabulary_of(get()));
}

std::optional<std::string> LoadedModel::vocabulary_difference(const LoadedModel& other) const {
  if (vocabulary_size() != other.vocabulary_size()) {
    return fmt::format("{} tokens against {}", format_count(static_cast<uint64_t>(vocabulary_size())),
                       format_count(static_cast<uint64_t>(other.vocabulary_size())));
  }
  CrashGuard guard(path_, "reading its vocabulary");
  const llama_vocab* mine = vocabulary_of(get());
  const llama_vocab* theirs = vocabulary_of(other.get());
  for (int32_t token = 0; token < vocabulary_size(); ++token) {
    std::string_view a = llama_vocab_get_text(mine, token);
    std::string_view b = llama_vocab_get_text(theirs, token);
    if (a != b) return fmt::format("token {} is '{}' against '{}'", token, excerpt(a), excerpt(b));
  }
  if (adds_bos() != other.adds_bos() || (adds_bos() && bos() != other.bos()))
    return "they begin a text differently (BOS)";
  return std::nullopt;
}

}  // namespace fakequant
