#include "experiment/model_timing.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/chunk_decoder.h"
#include "evaluate/corpus.h"
#include "tensors/inspect.h"

namespace fakequant {
namespace {

// Seconds that `work` takes.
template <typename Work>
double seconds_of(const Work& work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

DecodeOptions decode_options(const ConfigSettings& settings, int training_context) {
  DecodeOptions options;
  options.context = settings.context > 0 ? settings.context : default_context(training_context);
  options.batch = options.context;
  options.threads = 1;
  options.flash_attention = settings.flash_attention;
  options.cache_k = settings.cache_k;
  options.cache_v = settings.cache_v;
  return options;
}

// The first tensors, as far as about a million weights need them.
double weight_seconds(const Model& model) {
  constexpr int64_t kMost = 1 << 20;
  std::vector<size_t> chosen;
  int64_t count = 0;
  for (size_t i = 0; i < model.tensors().size() && count < kMost; ++i) {
    chosen.push_back(i);
    count += model.tensors()[i].info->value_count;
  }
  if (count == 0) return 0;
  double seconds =
      seconds_of([&] { inspect(model, chosen, {.grids = false, .progress = Progress::Mode::silent}); });
  return seconds / static_cast<double>(count);
}

// Seconds in which decoders of one thread each, working at the same time, read a chunk each.
double pass_seconds(const LoadedModel& model, const DecodeOptions& options, std::span<const int32_t> chunk,
                    int threads) {
  std::vector<std::unique_ptr<ChunkDecoder>> decoders(static_cast<size_t>(std::clamp(threads, 1, 4)));
  for (auto& decoder : decoders) decoder = std::make_unique<ChunkDecoder>(model, options);
  auto read = [&] {
    parallel_for(decoders.size(),
                 [&](size_t i) { decoders[i]->decode(chunk, [](size_t, std::span<const float>) {}); });
  };
  read();  // what is done for the first time takes longer
  return seconds_of(read);
}

}  // namespace

ModelTiming time_model(const ExperimentPlan& plan, size_t index, int threads) {
  const Model& model = plan.models[index].model;
  ModelTiming timing;
  timing.weight_seconds = weight_seconds(model);
  ModelOptions options;
  options.gpu_layers = plan.config.settings.gpu_layers;
  std::optional<LoadedModel> loaded;
  timing.load_seconds = seconds_of(
      [&] { loaded.emplace(LoadedModel::load(model.paths(), options, LoadedModel::Weights::loaded)); });
  loaded->require_text_model();
  DecodeOptions decode = decode_options(plan.config.settings, loaded->training_context());
  std::vector<int32_t> tokens;
  for (const PlannedText& text : plan.texts) {
    std::vector<int32_t> of_text = loaded->tokenize(read_text(text.path));
    timing.text_chunks.push_back(
        chunk_count(of_text.size(), decode.context, text.chunks, text.name, "context"));
    if (tokens.empty()) tokens = std::move(of_text);
  }
  // Without a text any tokens do.
  tokens.resize(static_cast<size_t>(decode.context), 0);
  timing.threads = std::max(1, threads);
  timing.chunk_seconds = pass_seconds(*loaded, decode, tokens, threads) / timing.threads;
  // Reading a token by itself takes the time of reading all weights: as a chunk of one token.
  constexpr int kTokens = 4;
  decode.context = kTokens;
  decode.batch = 1;
  tokens.resize(kTokens);
  timing.token_seconds = pass_seconds(*loaded, decode, tokens, threads) / kTokens / timing.threads;
  return timing;
}

}  // namespace fakequant
