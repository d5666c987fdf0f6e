#include "cli/evaluate_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/parallel.h"
#include "cli/generation_report.h"
#include "cli/throughput_report.h"
#include "evaluate/generation_json.h"
#include "evaluate/throughput_json.h"

namespace fakequant::cli {

namespace {

GenerationResult make_texts(std::span<const SpeedSubject> subjects, const std::vector<PromptRun>& runs,
                            const GenerationOptions& options, const CommonOptions& common) {
  std::vector<Variant> variants;
  for (const SpeedSubject& subject : subjects.subspan(1)) variants.push_back(subject.variant);
  Progress progress("texts", generation_work(runs, variants.size()), common.progress(),
                    Progress::Unit::tokens);
  return measure_generation(subjects.front().variant, variants, runs, options,
                            [&](uint64_t tokens) { progress.advance(tokens); });
}

SpeedResults time_all(std::span<const SpeedSubject> subjects, const SpeedOptions& options,
                      const CommonOptions& common) {
  Progress progress("speed", speed_work(subjects, options), common.progress(), Progress::Unit::runs);
  return measure_throughput(subjects, options, steady_seconds(), [&] { progress.advance(1); });
}

}  // namespace

void add_text_options(CLI::App& app, TextOptions& options) {
  app.add_option(
         "--prompts", options.prompts,
         "Texts that a model makes: a TOML file of [[prompt]] tables with prompt, temperature, seed and "
         "tokens, each a value or a list; or `default`, a built-in set")
      ->type_name("FILE");
  app.add_flag("--chat", options.chat, "Put prompts in the model's own chat template");
  app.add_flag(
      "--speed", options.speed,
      "Times of loading, of reading a prompt and of making tokens; with one thread unless -t says how many");
  app.add_option("--repetitions", options.repetitions,
                 fmt::format("How often --speed measures; default {}", options.repetitions))
      ->type_name("N")
      ->check(CLI::Range(kLeastRepetitions, size_t{100'000}));
}

std::vector<PromptRun> read_prompts(const TextOptions& options) {
  if (options.prompts.empty()) {
    if (options.chat) throw UsageError("--chat says how --prompts are read: give that as well");
    return {};
  }
  return options.reads_file() ? load_prompts(options.prompts) : default_prompts();
}

TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const std::vector<PromptRun>& runs,
                               const TextOptions& options, const DecodeOptions& decode,
                               const CommonOptions& common) {
  TextMeasurements result;
  if (!runs.empty()) {
    GenerationOptions generation;
    generation.decode = decode;
    generation.texts_at_once = max_thread_slots();
    generation.chat_template = options.chat;
    result.generation = make_texts(subjects, runs, generation, common);
  }
  if (options.speed) {
    SpeedOptions speed;
    speed.repetitions = options.repetitions;
    speed.decode = decode;
    speed.decode.threads = std::max(1, common.threads);
    result.speed = time_all(subjects, speed, common);
  }
  return result;
}

void print_measurements(const TextMeasurements& measured) {
  if (measured.generation) print_generation(*measured.generation);
  if (measured.speed) print_throughput(*measured.speed);
}

void add_measurements(Json& result, const TextMeasurements& measured) {
  if (measured.generation) result["generation"].push_back(generation_json(*measured.generation));
  if (measured.speed) result["speed"].push_back(throughput_json(*measured.speed));
}

std::optional<std::string> first_failure(const TextMeasurements& measured) {
  if (!measured.generation) return std::nullopt;
  for (const VariantTexts& variant : measured.generation->variants) {
    if (variant.failure) return variant.failure;
  }
  return std::nullopt;
}

}  // namespace fakequant::cli
