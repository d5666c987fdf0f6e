// fakequant evaluate: perplexity of models on texts, and what a change of precision costs.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/evaluate_session.h"
#include "cli/finite_weights.h"
#include "formats/format_grammar.h"

namespace fakequant::cli {

namespace {

FlashAttention flash_attention_of(const std::string& text) {
  std::optional<FlashAttention> choice = parse_flash_attention(text);
  if (!choice) throw UsageError("-fa '{}': wanted on, off or auto", printable(text));
  return *choice;
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

int report_failures(const EvaluateJob& job, const FiniteWeights& weights) {
  for (const EvaluatedVariant& result : job.results) {
    if (result.failure) weights.explain(NonFiniteError("{}", *result.failure));
  }
  for (const TextMeasurements& made : job.made) {
    if (std::optional<std::string> failure = made.first_failure())
      weights.explain(NonFiniteError("{}", *failure));
  }
  return kDone;
}

// Options that mean nothing to what is measured are refused rather than passed over.
void check_options(const EvaluateOptions& options) {
  if (options.texts.empty() && !options.text.asked())
    throw UsageError("--file is required, or --prompts or --speed");
  const std::pair<const char*, bool> of_recipes[] = {{"--store", options.recipe.store != "keep"},
                                                     {"--imatrix", !options.recipe.importance.empty()},
                                                     {"--seed", options.recipe.seed.has_value()},
                                                     {"--skip-unfit", options.recipe.skip_unfit}};
  for (const auto& [name, given] : of_recipes) {
    if (given && !options.recipe.given())
      throw UsageError("{} is for recipes: give --recipe, or --tensors and --format", name);
  }
  if (!options.control.empty() && options.control != "none") parse_format(options.control);
  if (options.compares()) return;
  const std::pair<const char*, bool> of_comparisons[] = {
      {"--real", options.real},
      {"--per-chunk", options.per_chunk},
      {"--control", !options.control.empty()},
      {"--logits-memory", options.logits_bytes.has_value()}};
  for (const auto& [name, given] : of_comparisons) {
    if (given)
      throw UsageError("{} is for comparisons: give --baseline, --recipe, or --tensors and --format", name);
  }
}

int run(EvaluateOptions& options, const CommonOptions& common) {
  options.decode.flash_attention = flash_attention_of(options.flash_attention);
  options.decode.cache_k = parse_cache_type("-ctk", options.cache_k);
  options.decode.cache_v = parse_cache_type("-ctv", options.cache_v);
  options.threads = static_cast<int>(max_thread_slots());
  check_options(options);
  SessionWork work{options.compares(), text_work(options.text, options.decode, common.threads)};
  EvaluateJob job(options, common);
  for (const std::string& warning : job.inputs().checked().context_warnings()) warn(common, warning);
  FiniteWeights weights;
  for (const InputModel& file : job.inputs().checked().models())
    weights.check(common, file.name, *file.model);
  try {
    for (const JobSession& session : job.sessions) measure_session(session, work, common, job);
  } catch (const NonFiniteError& error) {
    weights.explain(error);
  }
  job.inputs().checked().check_unchanged();
  EvaluationSettings settings{.decode = options.decode,
                              .threads = options.threads,
                              .flash_attention = options.flash_attention,
                              .repack = options.model.repack};
  if (options.compares()) {
    settings.baseline = options.baseline.empty() ? options.models.front() : options.baseline;
    settings.selection = options.recipe.selection.text();
    if (job.inputs().logits_file()) settings.clipping = LogitsFile::clipping();
    settings.seed = job.seed();
  }
  if (common.prints_text()) {
    if (options.compares()) {
      print_comparison(job.results, settings, common.verbose);
    } else if (!options.texts.empty()) {
      print_evaluation(job.results, settings, common.verbose);
    }
    bool printed = options.compares() || !options.texts.empty();
    if (printed && options.text.asked()) fmt::print("\n");
    for (const TextMeasurements& made : job.made) print_measurements(made);
    for (const EvaluatedVariant& result : job.results) print_measurements(result.made);
  }
  write_json(common, [&] { return evaluation_json(job.results, job.made, settings, options.per_chunk); });
  return report_failures(job, weights);
}

void add_logits_memory(CLI::App& app, std::optional<uint64_t>& bytes) {
  auto read = [&bytes](const std::string& text) {
    bytes = parse_bytes(text);
    if (!bytes || *bytes == 0)
      throw UsageError("--logits-memory '{}': wanted a size such as 500M, 2G or 1GiB", printable(text));
  };
  app.add_option_function<std::string>(
         "--logits-memory", read,
         "Most memory for the baseline's logits of a stage (500M, 2G); default 2G, "
         "or what one batch takes")
      ->type_name("SIZE");
}

void add_comparison_options(CLI::App& app, EvaluateOptions& options) {
  app.add_option(
         "--baseline", options.baseline,
         "Model to compare with, or a file that llama-perplexity --kl-divergence-base wrote; of recipes the "
         "default is the model itself")
      ->type_name("FILE");
  add_recipe_options(app, options.recipe, "several, separated by commas, give a row each",
                     "; repeat it for more rows");
  app.add_flag("--real", options.real, "Beside each recipe of ggml types, also the really quantized tensors");
  app.add_option("--control", options.control,
                 "Format that all weights that are stored as F32, F16 or BF16 are rounded to, for a row that "
                 "shows what is noise-sized, or none; "
                 "default bf16")
      ->type_name("FORMAT");
  app.add_flag("--per-chunk", options.per_chunk, "Put each chunk's measures into --json");
  add_logits_memory(app, options.logits_bytes);
}

// Headings for the list of options.
void group_options(CLI::App& app) {
  const std::pair<const char*, std::vector<const char*>> groups[] = {
      {"Text and model",
       {"--file", "--ctx-size", "--batch-size", "--chunks", "--n-gpu-layers", "--flash-attn",
        "--cache-type-k", "--cache-type-v", "--repack"}},
      {"Recipes, carried out in memory",
       {"--tensors", "--layers", "--format", "--recipe", "--store", "--imatrix", "--seed", "--skip-unfit",
        "--real"}},
      {"Comparison", {"--baseline", "--control", "--per-chunk", "--logits-memory"}},
      {"Texts and speed", {"--prompts", "--chat", "--speed", "--repetitions"}}};
  for (const auto& [heading, names] : groups) {
    for (const char* name : names) app.get_option(name)->group(heading);
  }
}

constexpr const char* kFooter =
    "Examples:\n"
    "  fakequant evaluate model.gguf -f wiki.test.raw -c 512 --chunks 40\n"
    "  fakequant evaluate q4.gguf q8.gguf --baseline f16.gguf -f wiki.test.raw\n"
    "  fakequant evaluate demo -f text.txt --tensors ffn --format bf16,e4m3,mxfp4,q4_k\n"
    "  fakequant evaluate demo -f text.txt --recipe a.toml --recipe b.toml --json result.json --per-chunk\n"
    "  fakequant evaluate demo --tensors ffn_norm --format bf16:rtz --prompts default --speed\n\n"
    "A text is cut into chunks of -c tokens, each read by itself, and the tokens of its second half are "
    "scored.\n"
    "  perplexity    exp of the mean of -ln of the probability that each scored token was given: how many\n"
    "                tokens the model hesitates between. Comparable for one vocabulary, text and -c.\n"
    "  +/- tokens    standard error as if tokens were independent: llama.cpp's own +/-\n"
    "  +/- chunks    standard error that respects that tokens of a chunk belong together; n/a below 8 "
    "chunks\n"
    "Every digit is llama-perplexity's with the same options and --no-repack. Running values: -v or "
    "--json.\n\n"
    "A comparison measures how far a variant's distributions are from the baseline's, over the whole "
    "vocabulary,\n"
    "for every scored token; -v prints all that llama-perplexity --kl-divergence does, and more.\n"
    "  ln ratio      ln(PPL / PPL of the baseline), paired token by token: 0.01 is 1 % worse\n"
    "  KLD           KL divergence in nats: its mean, and tokens that suffer most (99 %, 99.9 %, worst 1 %)\n"
    "  same top      share of tokens for which both find the same token most likely\n"
    "  control       the same for all weights of F32, F16 and BF16 rounded to bf16: differences of its size "
    "are noise\n"
    "The baseline of a recipe is the model itself, loaded once; weights are rounded in place and put back, "
    "and what is\n"
    "measured is what the file of `fakequant quantize` with that recipe would give, to the last digit. Where "
    "--store\n"
    "changes types, the baseline is stored alike and unrounded, and storing alone is a row of its own.\n"
    "Fake quantization rounds weights; --real shows what the kernels of ggml's types add, which round "
    "activations too.\n\n"
    "--prompts shows what models say: llama-completion's own text at each temperature and seed, where two "
    "texts part,\n"
    "how often their tokens agree, and under teacher forcing how often the baseline's next token is a "
    "variant's\n"
    "first choice. --speed times them in turn; \"no difference\" means that a 95 % interval of the ratio "
    "holds 1.\n";

}  // namespace

std::function<int()> add_evaluate(CLI::App& app, CommonOptions& common) {
  auto options = std::make_shared<EvaluateOptions>();
  app.add_option("MODEL", options->models, "GGUF files, any part of a split one, or `demo`")->required();
  app.add_option("-f,--file", options->texts, "Text to evaluate on; repeat it for more, each on its own")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  app.add_option("-c,--ctx-size", options->context,
                 "Tokens of a chunk; default the smaller of 512 and what the model was trained on")
      ->type_name("N")
      ->check(CLI::Range(4, 1 << 24));
  app.add_option("-b,--batch-size", options->batch,
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
  add_comparison_options(app, *options);
  add_text_options(app, options->text);
  group_options(app);
  app.footer(kFooter);
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
