// fakequant evaluate: perplexity of models on texts, and what a change of precision costs.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/evaluate_job.h"
#include "cli/finite_weights.h"
#include "evaluate/comparison.h"

namespace fakequant::cli {

namespace {

using Clock = std::chrono::steady_clock;

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

std::string so_far(const PerplexitySum& sum) {
  PerplexityEstimate estimate = sum.estimate();
  std::string text = fmt::format("perplexity {:.4f}", estimate.perplexity);
  if (estimate.error_tokens) text += fmt::format(" +/- {:.5f}", *estimate.error_tokens);
  return text;
}

std::string so_far(const std::string& name, const Comparison& comparison) {
  if (comparison.failure) return fmt::format("{}: given up", printable(name));
  return fmt::format("{}: KLD {:.6f}", printable(name), comparison.divergence.kld_so_far());
}

// Counts tokens towards a text's total, of all models of a session.
class TextProgress {
 public:
  TextProgress(const JobSession& session, const TokenizedText& text, const CommonOptions& common)
      : context_(static_cast<uint64_t>(session.options.decode.context)),
        bar_(label(session, text), text.chunks * context_ * session.part.plan.variants.size(),
             common.progress(), Progress::Unit::tokens) {}

  void advance(uint64_t tokens, std::string note) {
    bar_.set_note(std::move(note));
    bar_.advance(tokens);
  }

 private:
  static std::string label(const JobSession& session, const TokenizedText& text) {
    std::string label = printable(session.part.plan.sources.front().name);
    if (session.texts.size() > 1) label += ", " + printable(text.file);
    return label;
  }

  uint64_t context_;
  Progress bar_;
};

EvaluatedText evaluated(const TokenizedText& text, const PerplexitySum& sum, double seconds) {
  return {text.file,   text.tokens.size(),
          text.chunks, sum.token_count(),
          seconds,     {sum.estimate(), sum.running()}};
}

EvaluatedText measure_alone(const JobSession& planned, const Session& session, const TokenizedText& text,
                            const CommonOptions& common) {
  TextProgress progress(planned, text, common);
  uint64_t done = 0;
  Clock::time_point start = Clock::now();
  auto step = [&](const PerplexitySum& sum) {
    uint64_t now = sum.running().size() * static_cast<uint64_t>(planned.options.decode.context);
    progress.advance(now - done, so_far(sum));
    done = now;
  };
  PerplexitySum sum =
      measure_perplexity(session.variants().front().running->decoders, text.tokens, text.chunks, step);
  return evaluated(text, sum, std::chrono::duration<double>(Clock::now() - start).count());
}

// Compares the variants of a session on a text and puts what was found into their results.
void measure_together(const JobSession& planned, const Session& session, const TokenizedText& text,
                      const CommonOptions& common, EvaluateJob& job) {
  TextProgress progress(planned, text, common);
  const std::optional<LogitsFile>& file = job.inputs().logits_file();
  std::span<const Variant> variants = session.variants();
  Baseline baseline;
  if (file) {
    baseline.file = &*file;
  } else {
    baseline.variant = &variants.front();
    variants = variants.subspan(1);
  }
  auto step = [&](const ComparisonStep& at) {
    std::string note = at.variant ? so_far(variants[*at.variant].name, at.so_far->variants[*at.variant])
                                  : so_far(at.so_far->baseline);
    progress.advance(at.tokens, std::move(note));
  };
  ComparisonResult found =
      compare_variants(baseline, variants, {text.tokens, text.chunks}, session.logits_bytes(), step);
  size_t first = file ? 0 : 1;
  for (size_t i = 0; i < variants.size(); ++i) {
    EvaluatedVariant& result = job.results[planned.results[first + i]];
    const Comparison& comparison = found.variants[i];
    if (comparison.failure) {
      if (!result.failure) result.failure = comparison.failure;
      continue;
    }
    const DivergenceSum& sum = comparison.divergence;
    EvaluatedText shown = evaluated(text, sum.model(), comparison.seconds);
    shown.baseline = MeasuredPerplexity{sum.baseline().estimate(), sum.baseline().running()};
    shown.divergence = sum.estimate();
    shown.chunks = sum.chunks();
    result.texts.push_back(std::move(shown));
  }
}

// What --prompts and --speed ask for: of a session that has a baseline all variants together, else each by itself.
void make_texts(const JobSession& planned, const Session& session, const EvaluateOptions& options,
                const CommonOptions& common, EvaluateJob& job) {
  std::vector<SpeedSubject> subjects;
  for (size_t i = 0; i < session.variants().size(); ++i) {
    const PlannedVariant& variant = planned.part.plan.variants[i];
    const ModelSource& source = planned.part.plan.sources[variant.source];
    SpeedSubject& subject = subjects.emplace_back(SpeedSubject{session.variants()[i], {}});
    if (variant.recipe == nullptr && source.is_file)
      subject.load = [&source] { return source.load(LoadedModel::Weights::loaded); };
  }
  bool together = planned.part.plan.keeps_logits;
  for (size_t i = 0; i < subjects.size(); i += together ? subjects.size() : 1) {
    std::span<const SpeedSubject> group = std::span(subjects).subspan(i, together ? subjects.size() : 1);
    job.made.push_back(measure_texts(group, job.inputs().prompts(), options.text, options.decode, common));
  }
}

void run_session(const JobSession& planned, const EvaluateOptions& options, const CommonOptions& common,
                 EvaluateJob& job) {
  Session session(planned.part, planned.options, common.progress());
  for (size_t i = 0; i < planned.results.size(); ++i) {
    if (planned.results[i] != kNoResult) job.results[planned.results[i]].patch = session.reports()[i];
  }
  for (const TokenizedText& text : planned.texts) {
    if (options.compares()) {
      measure_together(planned, session, text, common, job);
    } else {
      job.results[planned.results.front()].texts.push_back(measure_alone(planned, session, text, common));
    }
  }
  if (options.text.asked()) make_texts(planned, session, options, common, job);
  session.check_restored();
}

int report_failures(const EvaluateJob& job, const FiniteWeights& weights) {
  for (const EvaluatedVariant& result : job.results) {
    if (result.failure) weights.explain(NonFiniteError("{}", *result.failure));
  }
  if (std::optional<std::string> failure = first_failure(job.made))
    weights.explain(NonFiniteError("{}", *failure));
  return kDone;
}

int run(EvaluateOptions& options, const CommonOptions& common) {
  options.decode.flash_attention = parse_flash_attention(options.flash_attention);
  options.decode.cache_k = parse_cache_type("-ctk", options.cache_k);
  options.decode.cache_v = parse_cache_type("-ctv", options.cache_v);
  options.threads = static_cast<int>(max_thread_slots());
  EvaluateJob job(options, common);
  FiniteWeights weights;
  for (const InputFile& file : job.inputs().files()) weights.check(common, file.name, file.model);
  try {
    for (const JobSession& session : job.sessions) run_session(session, options, common, job);
  } catch (const NonFiniteError& error) {
    weights.explain(error);
  }
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
    if (!options.texts.empty() && options.compares()) {
      print_comparison(job.results, settings, common.verbose);
    } else if (!options.texts.empty()) {
      print_evaluation(job.results, settings, common.verbose);
    }
    for (const TextMeasurements& measured : job.made) print_measurements(measured);
  }
  write_json(common, [&] {
    Json json = evaluation_json(job.results, settings, {options.per_chunk});
    add_measurements(json, job.made);
    return json;
  });
  return report_failures(job, weights);
}

}  // namespace

namespace {

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
  app.add_flag("--real", options.real,
               "Beside each recipe of ggml types, also the really quantized tensors: their kernels round "
               "activations too");
  app.add_option("--control", options.control,
                 "Format that all weights are rounded to for a row that shows what is noise-sized, or none; "
                 "default bf16")
      ->type_name("FORMAT");
  app.add_flag("--per-chunk", options.per_chunk, "Put each chunk's measures into --json");
  add_logits_memory(app, options.logits_bytes);
}

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
  add_comparison_options(app, *options);
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
      "--prompts shows what models say: llama-completion's own text at each temperature and seed, where two "
      "texts part, how\n"
      "often their tokens agree, and under teacher forcing how often the baseline's next token is a "
      "variant's first choice.\n"
      "--speed times them in turn; \"no difference\" means that a 95 % interval of the ratio holds 1.\n"
      "Examples:\n"
      "  fakequant evaluate demo -f text.txt\n"
      "  fakequant evaluate model.gguf fake.gguf -f wiki.test.raw -c 512 --chunks 40 --json result.json");
  return [options, &common] { return run(*options, common); };
}

}  // namespace fakequant::cli
