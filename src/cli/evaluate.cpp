// fakequant evaluate: the perplexity of models on texts.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/evaluate_report.h"
#include "cli/evaluate_texts.h"
#include "evaluate/corpus.h"

namespace fakequant::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::vector<std::string> models;
  std::vector<std::string> texts;
  int context = 0;  // 0: the smaller of 512 and the training context
  int chunks = 0;   // 0: all
  std::string flash_attention = "auto";
  std::string cache_k = "f16";
  std::string cache_v = "f16";
  ModelOptions model;
  DecodeOptions decode;
  int threads = 1;
  TextOptions text;
};

struct FlashAttentionWord {
  const char* word;
  FlashAttention choice;
};

constexpr FlashAttentionWord kFlashAttentionWords[] = {
    {"on", FlashAttention::on}, {"off", FlashAttention::off}, {"auto", FlashAttention::automatic}};

FlashAttention parse_flash_attention(const std::string& text) {
  for (const FlashAttentionWord& row : kFlashAttentionWords) {
    if (text == row.word) return row.choice;
  }
  throw UsageError("-fa '{}': wanted on, off or auto", printable(text));
}

std::vector<std::string> cache_type_names() {
  std::vector<std::string> names;
  for (TensorType type : cache_types()) names.push_back(lower(name_of(type)));
  return names;
}

TensorType parse_cache_type(const char* option, const std::string& text) {
  std::span<const TensorType> types = cache_types();
  std::optional<TensorType> type = tensor_type_from_name(text);
  if (!type || std::find(types.begin(), types.end(), *type) == types.end()) {
    std::vector<std::string> names = cache_type_names();
    throw UsageError("{} '{}': wanted one of {}{}", option, printable(text), join(names, ", "),
                     did_you_mean(lower(text), names));
  }
  return *type;
}

// A text as one model reads it: made and checked before any weight is loaded.
struct TokenizedText {
  std::string file;
  std::vector<int32_t> tokens;
  size_t chunks = 0;
};

// What is known of a model before its weights are read.
struct PlannedModel {
  std::string name;  // as the user gave it
  std::vector<std::string> paths;
  int training_context = 0;
  std::vector<TokenizedText> texts;
  size_t decoders = 1;  // that work at the same time
};

PlannedModel plan_model(const std::string& name, const LoadedModel& model, std::vector<std::string> paths,
                        const std::vector<std::string>& texts, const Options& options) {
  if (model.adds_eos()) {
    throw Error(
        "{}: found a vocabulary that puts an end after every text, wanted one that does not: "
        "chunks cut from the middle of a text would have none",
        printable(name));
  }
  PlannedModel result{name, std::move(paths), model.training_context(), {}, 1};
  std::optional<size_t> most;
  if (options.chunks > 0) most = static_cast<size_t>(options.chunks);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> tokens = model.tokenize(texts[i]);
    size_t chunks = chunk_count(tokens.size(), options.decode.context, most, options.texts[i]);
    result.texts.push_back({options.texts[i], std::move(tokens), chunks});
  }
  return result;
}

// How many decoders can work at the same time. One thread each is faster than many for one: threads that share a
// decoder wait for each other after every operation, spinning. Only memory limits them, and a graphics processor
// wants one. Throws when not even one fits; memory of a graphics processor is its driver's business.
size_t decoders_that_fit(const PlannedModel& planned, const LoadedModel& model, const Options& options) {
  ChunkDecoder decoder(model, options.decode);
  size_t groups = 1;
  for (const TokenizedText& text : planned.texts)
    groups = std::max(groups, (text.chunks + decoder.group_size() - 1) / decoder.group_size());
  size_t wanted = model.uses_gpu() ? 1 : std::min(groups, static_cast<size_t>(options.threads));
  ChunkDecoder::Memory memory = decoder.memory();
  std::optional<uint64_t> available = free_memory_bytes();
  if (!available) return wanted;
  if (memory.weights + memory.working > *available) {
    throw Error(
        "{}: needs {} of memory with -c {} -b {}, found {} free; a smaller -b, -ctk q8_0 -ctv q8_0, or a "
        "smaller model need less",
        printable(planned.name), format_bytes(memory.weights + memory.working), options.decode.context,
        options.decode.batch, format_bytes(*available));
  }
  // Further ones take no more than three quarters of what the first leaves.
  uint64_t spare = (*available - memory.weights - memory.working) / 4 * 3;
  return std::min(wanted, 1 + static_cast<size_t>(spare / std::max<uint64_t>(1, memory.working)));
}

// Opens every model without its weights, settles the context, and refuses what cannot be done.
std::vector<PlannedModel> plan(Options& options, const CommonOptions& common,
                               const std::vector<std::string>& texts) {
  std::vector<LoadedModel> opened;
  std::vector<std::vector<std::string>> paths;
  std::vector<std::string> inputs = options.texts;
  for (const std::string& name : options.models) {
    paths.push_back(open_model(name).paths());
    inputs.insert(inputs.end(), paths.back().begin(), paths.back().end());
  }
  check_json_target(common, inputs);
  int context = default_context(0);
  for (const std::vector<std::string>& files : paths) {
    opened.push_back(LoadedModel::load(files, options.model, LoadedModel::Weights::planned));
    context = std::min(context, default_context(opened.back().training_context()));
  }
  options.decode.context = options.context > 0 ? options.context : context;
  std::vector<PlannedModel> planned;
  for (size_t i = 0; i < opened.size(); ++i) {
    planned.push_back(plan_model(options.models[i], opened[i], paths[i], texts, options));
    planned.back().decoders = decoders_that_fit(planned.back(), opened[i], options);
  }
  for (const PlannedModel& model : planned) {
    if (model.training_context > 0 && options.decode.context > model.training_context) {
      warn(common, fmt::format("{}: -c {} is more than the {} tokens that the model was trained on",
                               printable(model.name), options.decode.context, model.training_context));
    }
  }
  return planned;
}

std::string so_far(const PerplexitySum& sum) {
  PerplexityEstimate estimate = sum.estimate();
  std::string text = fmt::format("perplexity {:.4f}", estimate.perplexity);
  if (estimate.error_tokens) text += fmt::format(" +/- {:.5f}", *estimate.error_tokens);
  return text;
}

EvaluatedModel evaluate_model(const PlannedModel& planned, const Options& options,
                              const std::vector<PromptRun>& prompts, const CommonOptions& common) {
  EvaluatedModel result{planned.name, planned.training_context, {}, {}};
  auto load = [&] { return LoadedModel::load(planned.paths, options.model, LoadedModel::Weights::loaded); };
  RunningModel running(load());
  LoadedModel& model = running.model;
  DecodeOptions decode = options.decode;
  decode.threads = std::max(1, options.threads / static_cast<int>(planned.decoders));
  std::vector<std::unique_ptr<ChunkDecoder>> decoders;
  for (size_t i = 0; i < planned.decoders; ++i)
    decoders.push_back(std::make_unique<ChunkDecoder>(model, decode));
  auto context = static_cast<uint64_t>(decode.context);
  for (const TokenizedText& text : planned.texts) {
    std::string label = printable(planned.name);
    if (planned.texts.size() > 1) label += ", " + printable(text.file);
    Progress progress(label, text.chunks * context, common.progress(), Progress::Unit::tokens);
    uint64_t done = 0;
    Clock::time_point start = Clock::now();
    auto step = [&](const PerplexitySum& sum) {
      uint64_t now = sum.running().size() * context;
      progress.set_note(so_far(sum));
      progress.advance(now - done);
      done = now;
    };
    PerplexitySum sum = measure_perplexity(decoders, text.tokens, text.chunks, step);
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result.texts.push_back({text.file, text.tokens.size(), text.chunks, sum.token_count(), seconds,
                            sum.estimate(), sum.running()});
  }
  SpeedSubject subject{{planned.name, &running}, load};
  result.made = measure_texts({&subject, 1}, prompts, options.text, decode, common);
  return result;
}

int run(Options& options, const CommonOptions& common) {
  options.decode.flash_attention = parse_flash_attention(options.flash_attention);
  options.decode.cache_k = parse_cache_type("-ctk", options.cache_k);
  options.decode.cache_v = parse_cache_type("-ctv", options.cache_v);
  options.threads = static_cast<int>(max_thread_slots());
  if (options.texts.empty() && !options.text.asked())
    throw UsageError("--file is required, or --prompts or --speed");
  std::vector<PromptRun> prompts = read_prompts(options.text);
  std::vector<std::string> texts;
  for (const std::string& path : options.texts) texts.push_back(read_text(path));
  std::vector<PlannedModel> planned = plan(options, common, texts);
  std::vector<EvaluatedModel> results;
  results.reserve(planned.size());
  for (const PlannedModel& model : planned)
    results.push_back(evaluate_model(model, options, prompts, common));
  EvaluationSettings settings{options.decode, options.threads, options.flash_attention, options.model.repack};
  if (common.prints_text()) {
    if (!options.texts.empty()) print_evaluation(results, settings, common.verbose);
    for (const EvaluatedModel& result : results) print_measurements(result.made);
  }
  write_json(common, [&] { return evaluation_json(results, settings); });
  return kDone;
}

}  // namespace

std::function<int()> add_evaluate(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->models, "GGUF files, any part of a split one, or `demo`")->required();
  app.add_option("-f,--file", options->texts, "Text to evaluate on; repeat it for more, each on its own")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_option("-c,--ctx-size", options->context,
                 "Tokens of a chunk; default the smaller of 512 and what the model was trained on")
      ->type_name("N")
      ->check(CLI::Range(4, 1 << 24));
  app.add_option("-b,--batch-size", options->decode.batch,
                 "Tokens that are decoded together: whole chunks where they fit; default 2048")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 24));
  app.add_option("--chunks", options->chunks, "Only the first N chunks of each text")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--n-gpu-layers", options->model.gpu_layers,
                 "(-ngl) Layers on the graphics processor, where llama.cpp was built for one; default all")
      ->type_name("N")
      ->check(CLI::Range(-1, 1 << 20));
  app.add_option("--flash-attn", options->flash_attention,
                 "(-fa) Flash attention: on, off or auto; changes digits; default auto")
      ->type_name("WHEN");
  app.add_option("--cache-type-k", options->cache_k,
                 "(-ctk) Type of the cache of keys: " + join(cache_type_names(), ", ") + "; default f16")
      ->type_name("T");
  app.add_option("--cache-type-v", options->cache_v,
                 "(-ctv) Type of the cache of values; a quantized one needs flash attention; default f16")
      ->type_name("T");
  app.add_flag("--repack", options->model.repack,
               "Let ggml rearrange weights for speed, as llama-perplexity does unless given --no-repack: "
               "changes digits");
  add_text_options(app, options->text);
  app.footer(
      "A text is cut into chunks of -c tokens, each read by itself, and the tokens of its second half are "
      "scored.\n"
      "perplexity    exp of the mean of -ln of the probability that each scored token was given: how many "
      "tokens the\n"
      "              model hesitates between. Comparable between models with one vocabulary, text and -c.\n"
      "+/- tokens    standard error as if tokens were independent: llama.cpp's own +/-\n"
      "+/- chunks    standard error that respects that the tokens of a chunk belong together (jackknife); "
      "n/a below 8\n"
      "              chunks\n"
      "Every digit is llama-perplexity's with the same options and --no-repack. Running values: -v or "
      "--json.\n"
      "Examples:\n"
      "  fakequant evaluate demo -f text.txt\n"
      "  fakequant evaluate model.gguf fake.gguf -f wiki.test.raw -c 512 --chunks 40 --json result.json");
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
