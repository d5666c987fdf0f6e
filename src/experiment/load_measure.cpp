#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "engine/non_finite.h"
#include "engine/prompt.h"
#include "engine/text_generator.h"
#include "evaluate/planned_recipe.h"
#include "experiment/file_measures.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPrompt = "Once upon a time";
constexpr int kMostTokens = 16;

// The file that `quantize` would write, or the other file that the variant is, as llama.cpp loads any file.
LoadedModel load(const MeasureContext& context) {
  const ExperimentVariant& variant = context.variant();
  ModelOptions options;
  options.gpu_layers = context.plan.config.settings.gpu_layers;
  if (variant.file) {
    options.mapped = true;
    return LoadedModel::load(context.plan.models[*variant.file].model.paths(), options,
                             LoadedModel::Weights::loaded);
  }
  const Model& model = context.plan.models[variant.model].model;
  RecipeInputs inputs{model, context.plan.importance, context.plan.config.settings.seed};
  PlannedRecipe recipe(variant.what, variant.plan.value_or(Plan()), inputs, Progress::Mode::silent);
  std::unique_ptr<VirtualFile> file = recipe.rounded();
  return LoadedModel::load(*file, options, LoadedModel::Weights::loaded);
}

// Threads that share an operation wait for each other, spinning: that pays where it is long.
int threads_for(const LoadedModel& model, int threads) {
  constexpr uint64_t kLongOperations = uint64_t{256} << 20;  // bytes of weights
  return model.weight_bytes() < kLongOperations ? 1 : std::max(1, threads);
}

DecodeOptions decode_options(const MeasureContext& context, const LoadedModel& model) {
  const ConfigSettings& settings = context.plan.config.settings;
  const ConfigVariant* config = context.variant().config;
  DecodeOptions decode;
  decode.context = 256;
  decode.batch = 256;
  decode.threads = threads_for(model, context.threads);
  decode.flash_attention = settings.flash_attention;
  decode.cache_k = config != nullptr && config->cache_k ? *config->cache_k : settings.cache_k;
  decode.cache_v = config != nullptr && config->cache_v ? *config->cache_v : settings.cache_v;
  return decode;
}

}  // namespace

Json measure_load(MeasureContext& context) {
  Clock::time_point start = Clock::now();
  LoadedModel model = load(context);
  model.require_text_model();
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  context.progress({0.8, "", false});
  TextGenerator generator(model, decode_options(context, model));
  Sampling greedy;
  greedy.temperature = 0;
  Json result = {{"tokens_generated", 0}, {"text", ""}, {"nonfinite", 0}, {"seconds", seconds}};
  try {
    GeneratedTokens made = generator.generate(prompt_tokens(model, kPrompt), greedy, kMostTokens);
    result["tokens_generated"] = made.tokens.size();
    result["text"] = text_of(model, made.tokens);
  } catch (const NonFiniteError&) {
    result["nonfinite"] = 1;
  }
  return result;
}

}  // namespace fakequant
