#include "evaluate/generation.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/parallel.h"
#include "base/text.h"
#include "engine/non_finite.h"
#include "engine/prompt.h"
#include "engine/text_generator.h"
#include "evaluate/log_likelihood.h"

namespace fakequant {

namespace {

// The tokens of each run's prompt, and the context that all runs need together.
struct ReadPrompts {
  std::vector<std::vector<int32_t>> tokens;  // by run
  int context = 1;
};

ReadPrompts read_prompts(const LoadedModel& model, const std::vector<PromptRun>& runs, bool chat_template) {
  ReadPrompts result;
  size_t needed = 1;
  for (const PromptRun& run : runs) {
    std::string text = chat_template ? chat_prompt(model, run.prompt) : run.prompt;
    result.tokens.push_back(prompt_tokens(model, text));
    needed = std::max(needed, result.tokens.back().size() + static_cast<size_t>(run.tokens));
  }
  // llama-completion's context is what the model was trained on: above this one, positions are turned otherwise.
  int longrope = model.longrope_context();
  if (longrope > 0) needed = std::max(needed, static_cast<size_t>(longrope) + 1);
  // Where it is not known what the model was trained on, what is needed.
  if (model.training_context() > 0) needed = std::min(needed, static_cast<size_t>(model.training_context()));
  result.context = static_cast<int>(needed);
  return result;
}

// Generators of one model that make texts at the same time.
class GeneratorPool {
 public:
  GeneratorPool(const RunningModel& running, const GenerationOptions& options, int context,
                size_t run_count) {
    const LoadedModel& model = running.model;
    DecodeOptions decode = with_caches(options.decode, running.caches);
    decode.context = context;
    decode.threads = 1;
    size_t wanted = model.uses_gpu() ? 1 : std::min(options.texts_at_once, run_count);
    do {
      generators_.push_back(std::make_unique<TextGenerator>(model, decode));
    } while (generators_.size() < wanted && another_fits());
  }

  TextGenerator& any() { return *generators_.front(); }

  // Calls `work` once for every index below `count`, with a generator that nobody else uses.
  void run(size_t count, const std::function<void(TextGenerator&, size_t index)>& work) {
    std::atomic<size_t> next = 0;
    parallel_for(generators_.size(), [&](size_t worker) {
      for (size_t index = next++; index < count; index = next++) {
        try {
          work(*generators_[worker], index);
        } catch (...) {
          next = count;
          throw;
        }
      }
    });
  }

 private:
  // Further generators take no more than a quarter each of what is left.
  bool another_fits() const {
    std::optional<uint64_t> available = free_memory_bytes();
    return !available || generators_.front()->memory_bytes() <= *available / 4;
  }

  std::vector<std::unique_ptr<TextGenerator>> generators_;
};

GeneratedText generate(TextGenerator& generator, const LoadedModel& model, const std::vector<int32_t>& prompt,
                       const PromptRun& run) {
  GeneratedTokens made = generator.generate(prompt, run.sampling, run.tokens);
  GeneratedText result;
  result.text = text_of(model, made.tokens);
  result.tokens = std::move(made.tokens);
  result.top_count = made.top_count;
  result.ended = made.ended;
  return result;
}

// Bytes of the text of the first `count` of `tokens`, down to a whole character of the text of all of them.
size_t text_bytes(const LoadedModel& model, const GeneratedText& generated, size_t count) {
  std::vector<int32_t> common(generated.tokens.begin(),
                              generated.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  std::string text = text_of(model, common);
  // Of a character that is not complete yet the common text ends in U+FFFD, which the whole need not have.
  auto end = std::mismatch(text.begin(), text.end(), generated.text.begin(), generated.text.end()).second;
  return whole_characters(generated.text, static_cast<size_t>(end - generated.text.begin()));
}

Candidate candidate(const LoadedModel& model, int32_t token) {
  Candidate result;
  result.token = token;
  result.name = printable(name_of_token(model, token));
  return result;
}

// Where a divergence stands: what both models have read before it.
std::vector<int32_t> tokens_before(const std::vector<int32_t>& prompt, const GeneratedText& generated,
                                   size_t token_index) {
  std::vector<int32_t> result = prompt;
  result.insert(result.end(), generated.tokens.begin(),
                generated.tokens.begin() + static_cast<std::ptrdiff_t>(token_index));
  return result;
}

double probability(std::span<const float> logits, int32_t token) {
  return std::exp(-negative_log_likelihood(logits, token));
}

// Sets both candidates' probabilities under the model of `generator`.
void set_probabilities(TextGenerator& generator, const std::vector<int32_t>& before, Divergence& divergence,
                       double Candidate::*field) {
  generator.clear();
  std::span<const float> logits = generator.read(before);
  for (Candidate* each : {&divergence.baseline, &divergence.variant})
    each->*field = probability(logits, each->token);
}

TextComparison compare_text(TextGenerator& generator, const LoadedModel& model,
                            const std::vector<int32_t>& prompt, const GeneratedText& baseline,
                            GeneratedText generated) {
  TextComparison result;
  std::vector<int32_t> forced = generator.most_likely(prompt, baseline.tokens);
  result.forced_share = equal_share(forced, baseline.tokens);
  result.equal_share = equal_share(generated.tokens, baseline.tokens);
  size_t common = common_length(generated.tokens, baseline.tokens);
  if (generated.tokens != baseline.tokens) {
    // Texts end alike: with a token that ends one of either model, or where there is no more room.
    FQ_CHECK(common < generated.tokens.size() && common < baseline.tokens.size());
    Divergence divergence;
    divergence.token_index = common;
    divergence.baseline = candidate(model, baseline.tokens[common]);
    divergence.variant = candidate(model, generated.tokens[common]);
    divergence.text_bytes =
        std::min(text_bytes(model, baseline, common), text_bytes(model, generated, common));
    set_probabilities(generator, tokens_before(prompt, baseline, common), divergence,
                      &Candidate::variant_probability);
    result.divergence = std::move(divergence);
  }
  result.generated = std::move(generated);
  return result;
}

}  // namespace

double GeneratedText::top_share() const {
  return static_cast<double>(top_count) / static_cast<double>(tokens.size());
}

GenerationTotals VariantTexts::totals() const {
  GenerationTotals totals;
  for (const TextComparison& comparison : texts) {
    totals.identical += comparison.divergence ? 0 : 1;
    totals.near_ties += comparison.divergence && comparison.divergence->near_tie ? 1 : 0;
    totals.equal_share += comparison.equal_share;
    totals.forced_share += comparison.forced_share;
  }
  // Divided once, so that texts that are all the same have a mean of exactly 1.
  double count = static_cast<double>(std::max<size_t>(1, texts.size()));
  totals.equal_share /= count;
  totals.forced_share /= count;
  return totals;
}

bool is_near_tie(double p, double q) {
  return std::min(p, q) >= 0.9 * std::max(p, q);
}

size_t common_length(std::span<const int32_t> a, std::span<const int32_t> b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

double equal_share(std::span<const int32_t> a, std::span<const int32_t> b) {
  size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 1;
  size_t equal = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) equal += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(equal) / static_cast<double>(longer);
}

uint64_t generation_work(const std::vector<PromptRun>& runs, size_t variant_count) {
  uint64_t tokens = 0;
  for (const PromptRun& run : runs) tokens += static_cast<uint64_t>(run.tokens);
  return tokens * (1 + variant_count);
}

// What a baseline's texts are made and asked with, as long as variants come.
struct BaselineTexts::Parts {
  Variant baseline;
  GenerationOptions options;
  ReadPrompts prompts;
  GeneratorPool pool;
};

BaselineTexts::BaselineTexts(const Variant& baseline, const std::vector<PromptRun>& runs,
                             const GenerationOptions& options, const TextProgress& progress) {
  const LoadedModel& model = baseline.running->model;
  ReadPrompts prompts = read_prompts(model, runs, options.chat_template);
  int context = prompts.context;
  result_.baseline_name = baseline.name;
  result_.runs = runs;
  for (const std::vector<int32_t>& tokens : prompts.tokens)
    result_.prompt_token_counts.push_back(tokens.size());
  parts_.reset(new Parts{baseline, options, std::move(prompts),
                         GeneratorPool(*baseline.running, options, context, runs.size())});
  ActiveVariant active(baseline);
  result_.baseline.resize(runs.size());
  parts_->pool.run(runs.size(), [&](TextGenerator& generator, size_t i) {
    result_.baseline[i] = generate(generator, model, parts_->prompts.tokens[i], runs[i]);
    if (progress) progress(static_cast<uint64_t>(runs[i].tokens));
  });
}

BaselineTexts::~BaselineTexts() = default;

VariantTexts BaselineTexts::compare(const Variant& variant, const TextProgress& progress) {
  const std::vector<PromptRun>& runs = result_.runs;
  const LoadedModel& model = parts_->baseline.running->model;
  FQ_CHECK(variant.running->model.vocabulary_size() == model.vocabulary_size());
  VariantTexts texts{variant.name, std::vector<TextComparison>(runs.size()), std::nullopt};
  try {
    ActiveVariant active(variant);
    std::optional<GeneratorPool> own;  // a patched baseline has generators
    GeneratorPool& pool =
        variant.running == parts_->baseline.running
            ? parts_->pool
            : own.emplace(*variant.running, parts_->options, parts_->prompts.context, runs.size());
    pool.run(runs.size(), [&](TextGenerator& generator, size_t i) {
      const std::vector<int32_t>& prompt = parts_->prompts.tokens[i];
      GeneratedText generated = generate(generator, model, prompt, runs[i]);
      texts.texts[i] = compare_text(generator, model, prompt, result_.baseline[i], std::move(generated));
      if (progress) progress(static_cast<uint64_t>(runs[i].tokens));
    });
  } catch (const NonFiniteError& error) {
    texts.failure = error.what();
    texts.texts.clear();
  }
  ask_baseline(texts);
  return texts;
}

// Adds what the baseline gives to the candidates wherever the variant parted from it.
void BaselineTexts::ask_baseline(VariantTexts& variant) {
  ActiveVariant active(parts_->baseline);
  for (size_t i = 0; i < variant.texts.size(); ++i) {
    std::optional<Divergence>& divergence = variant.texts[i].divergence;
    if (!divergence) continue;
    set_probabilities(parts_->pool.any(),
                      tokens_before(parts_->prompts.tokens[i], result_.baseline[i], divergence->token_index),
                      *divergence, &Candidate::baseline_probability);
    divergence->near_tie =
        is_near_tie(divergence->baseline.baseline_probability, divergence->variant.baseline_probability);
  }
}

GenerationResult measure_generation(const Variant& baseline, std::span<const Variant> variants,
                                    const std::vector<PromptRun>& runs, const GenerationOptions& options,
                                    const TextProgress& progress) {
  BaselineTexts texts(baseline, runs, options, progress);
  GenerationResult result = texts.result();
  for (const Variant& variant : variants) result.variants.push_back(texts.compare(variant, progress));
  return result;
}

}  // namespace fakequant
