#include "evaluate/throughput.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/text.h"
#include "engine/text_generator.h"

namespace fakequant {

namespace {

// Tokens that all subjects read, of an arbitrary but fixed pattern.
std::vector<int32_t> fixed_tokens(int count, int vocabulary_size) {
  std::vector<int32_t> result(static_cast<size_t>(count));
  for (size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<int32_t>((i * 7919 + 101) % static_cast<size_t>(vocabulary_size));
  return result;
}

int shortest_training_context(std::span<const SpeedSubject> subjects, int wanted) {
  for (const SpeedSubject& subject : subjects) {
    int training = subject.variant.running->model.training_context();
    if (training > 0) wanted = std::min(wanted, training);
  }
  return wanted;
}

// Why a subject cannot be loaded a second time; "" when it can.
std::string no_load_reason(const SpeedSubject& subject) {
  if (!subject.load)
    return "it is only in memory, in the types of its model: how fast its format could be is not measured";
  uint64_t bytes = subject.variant.running->model.weight_bytes();
  std::optional<uint64_t> available = free_memory_bytes();
  if (!available || bytes <= *available) return "";
  return fmt::format("a second copy needs {} of memory, found {} free", format_bytes(bytes),
                     format_bytes(*available));
}

// What runs the subjects' models: one generator for each model in memory.
class Stopwatch {
 public:
  Stopwatch(std::span<const SpeedSubject> subjects, const SpeedOptions& options, const SecondsClock& clock,
            const std::function<void()>& progress)
      : subjects_(subjects), options_(options), clock_(clock), progress_(progress) {
    DecodeOptions decode = options.decode;
    prompt_tokens_ = shortest_training_context(subjects, options.prompt_tokens);
    generated_tokens_ = shortest_training_context(subjects, options.generated_tokens);
    decode.context = std::max(prompt_tokens_, generated_tokens_);
    for (const SpeedSubject& subject : subjects) {
      RunningModel* running = subject.variant.running;
      std::unique_ptr<TextGenerator>& generator = generators_[running];
      if (generator != nullptr) continue;
      generator = std::make_unique<TextGenerator>(running->model, with_caches(decode, running->caches));
    }
  }

  int prompt_tokens() const { return prompt_tokens_; }
  int generated_tokens() const { return generated_tokens_; }

  // Times `work` for those subjects in turn, after one round that does not count.
  std::vector<std::vector<double>> measure(const std::vector<size_t>& chosen,
                                           const std::function<double(const SpeedSubject&)>& work) {
    auto timed = [&](size_t i) {
      double seconds = work(subjects_[chosen[i]]);
      if (progress_) progress_();
      return seconds;
    };
    measure_in_turn(chosen.size(), 1, timed);
    return measure_in_turn(chosen.size(), options_.repetitions, timed);
  }

  double load(const SpeedSubject& subject) const {
    double start = clock_();
    LoadedModel model = subject.load();
    return clock_() - start;
  }

  double read_prompt(const SpeedSubject& subject) {
    return time_of(subject, prompt_tokens_,
                   [](TextGenerator& generator, std::span<const int32_t> tokens) { generator.read(tokens); });
  }

  double generate(const SpeedSubject& subject) {
    return time_of(subject, generated_tokens_, [](TextGenerator& generator, std::span<const int32_t> tokens) {
      for (size_t i = 0; i < tokens.size(); ++i) generator.read(tokens.subspan(i, 1));
    });
  }

 private:
  // Seconds that `read` takes for so many fixed tokens, from an empty context on.
  double time_of(const SpeedSubject& subject, int token_count,
                 const std::function<void(TextGenerator&, std::span<const int32_t>)>& read) {
    ActiveVariant active(subject.variant);
    TextGenerator& generator = *generators_[subject.variant.running];
    std::vector<int32_t> tokens = fixed_tokens(token_count, subject.variant.running->model.vocabulary_size());
    generator.clear();
    double start = clock_();
    read(generator, tokens);
    return clock_() - start;
  }

  std::span<const SpeedSubject> subjects_;
  const SpeedOptions& options_;
  const SecondsClock& clock_;
  const std::function<void()>& progress_;
  int prompt_tokens_ = 0;
  int generated_tokens_ = 0;
  std::map<RunningModel*, std::unique_ptr<TextGenerator>> generators_;
};

// `baseline_seconds` is null for the baseline itself, or where it has none.
SpeedMeasure summarize(std::vector<double> seconds, const std::vector<double>* baseline_seconds,
                       const std::function<double(double)>& figure) {
  SpeedMeasure result;
  std::vector<double> figures(seconds.size());
  std::transform(seconds.begin(), seconds.end(), figures.begin(), figure);
  result.typical = estimate_median(std::move(figures));
  if (baseline_seconds != nullptr) result.ratio = estimate_ratio(*baseline_seconds, seconds);
  result.seconds = std::move(seconds);
  return result;
}

}  // namespace

SecondsClock steady_seconds() {
  return [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
}

uint64_t speed_work(std::span<const SpeedSubject> subjects, const SpeedOptions& options) {
  size_t loadable = 0;
  for (const SpeedSubject& subject : subjects) loadable += no_load_reason(subject).empty() ? 1 : 0;
  return (loadable + 2 * subjects.size()) * (options.repetitions + 1);
}

SpeedResults measure_throughput(std::span<const SpeedSubject> subjects, const SpeedOptions& options,
                                const SecondsClock& clock, const std::function<void()>& progress) {
  FQ_CHECK(!subjects.empty() && options.repetitions >= kLeastRepetitions && options.prompt_tokens >= 1 &&
           options.generated_tokens >= 1);
  Stopwatch stopwatch(subjects, options, clock, progress);
  SpeedResults result{stopwatch.prompt_tokens(), stopwatch.generated_tokens(), options.decode.threads, {}};
  std::vector<size_t> all;
  std::vector<size_t> loadable;
  for (size_t i = 0; i < subjects.size(); ++i) {
    SpeedResult subject;
    subject.name = subjects[i].variant.name;
    subject.load_note = no_load_reason(subjects[i]);
    all.push_back(i);
    if (subject.load_note.empty()) loadable.push_back(i);
    result.subjects.push_back(std::move(subject));
  }
  std::vector<std::vector<double>> loads =
      stopwatch.measure(loadable, [&](const SpeedSubject& subject) { return stopwatch.load(subject); });
  std::vector<std::vector<double>> prompts =
      stopwatch.measure(all, [&](const SpeedSubject& subject) { return stopwatch.read_prompt(subject); });
  std::vector<std::vector<double>> generations =
      stopwatch.measure(all, [&](const SpeedSubject& subject) { return stopwatch.generate(subject); });
  auto per_second = [](int tokens) { return [tokens](double seconds) { return tokens / seconds; }; };
  bool baseline_loads = !loadable.empty() && loadable[0] == 0;
  for (size_t i = 0; i < loadable.size(); ++i) {
    result.subjects[loadable[i]].load = summarize(loads[i], baseline_loads && i > 0 ? &loads[0] : nullptr,
                                                  [](double seconds) { return seconds; });
  }
  for (size_t i = 0; i < subjects.size(); ++i) {
    SpeedResult& subject = result.subjects[i];
    subject.prompt = summarize(prompts[i], i > 0 ? &prompts[0] : nullptr, per_second(result.prompt_tokens));
    subject.generation =
        summarize(generations[i], i > 0 ? &generations[0] : nullptr, per_second(result.generated_tokens));
  }
  return result;
}

}  // namespace fakequant
