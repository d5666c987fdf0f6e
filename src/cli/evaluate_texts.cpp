#include "cli/evaluate_texts.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/generation_report.h"
#include "cli/throughput_report.h"

namespace fakequant::cli {

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

TextWork text_work(const TextOptions& options, const DecodeOptions& decode, int threads) {
  TextWork work{read_prompts(options), generation_options(decode, options.chat)};
  if (options.speed) work.speed = speed_options(decode, options.repetitions, threads);
  return work;
}

TextMeasurements measure_texts(std::span<const SpeedSubject> subjects, const TextWork& work,
                               const CommonOptions& common) {
  std::optional<Progress> bar;
  auto begin = [&](const char* what, uint64_t total, Progress::Unit unit) {
    bar.reset();  // ends its line before the next one begins
    bar.emplace(what, total, common.progress(), unit);
  };
  return fakequant::measure_texts(subjects, work, {begin, [&](uint64_t done) { bar->advance(done); }});
}

void print_measurements(const TextMeasurements& measured) {
  if (measured.generation) print_generation(*measured.generation);
  if (measured.speed) print_throughput(*measured.speed);
}

}  // namespace fakequant::cli
