#include "cli/evaluate_session.h"

#include <fmt/format.h>

#include <chrono>

#include "base/text.h"
#include "evaluate/comparison.h"
#include "evaluate/perplexity_pass.h"
#include "evaluate/session.h"

namespace fakequant::cli {

namespace {

using Clock = std::chrono::steady_clock;

std::string so_far(const PerplexitySum& sum) {
  if (sum.token_count() == 0) return "";
  PerplexityEstimate estimate = sum.estimate();
  std::string text = fmt::format("perplexity {:.4f}", estimate.perplexity);
  if (estimate.error_tokens) text += fmt::format(" +/- {:.5f}", *estimate.error_tokens);
  return text;
}

std::string so_far(const std::string& name, const VariantComparison& comparison) {
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
  return {text, sum, std::chrono::duration<double>(Clock::now() - start).count()};
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
    EvaluatedVariant& result = job.results[*planned.results[first + i]];
    const VariantComparison& comparison = found.variants[i];
    if (comparison.failure) {
      if (!result.failure) result.failure = comparison.failure;
      continue;
    }
    result.texts.emplace_back(text, comparison.divergence, comparison.seconds);
  }
}

// What --prompts and --speed ask for: of a session with a baseline all variants together; else, also where the baseline
// is a file of logits, which makes no texts, each by itself.
void measure_made(const JobSession& planned, const Session& session, const SessionWork& work,
                  const CommonOptions& common, EvaluateJob& job) {
  std::vector<SpeedSubject> subjects = session.speed_subjects();
  auto measure = [&](std::span<const SpeedSubject> group) { return measure_texts(group, work.text, common); };
  if (planned.part.plan.keeps_logits) {
    job.made.push_back(measure(subjects));
    return;
  }
  for (size_t i = 0; i < subjects.size(); ++i)
    job.results[*planned.results[i]].made = measure(std::span(subjects).subspan(i, 1));
}

}  // namespace

void measure_session(const JobSession& planned, const SessionWork& work, const CommonOptions& common,
                     EvaluateJob& job) {
  Session session(planned.part, planned.options, common.progress());
  for (size_t i = 0; i < planned.results.size(); ++i) {
    if (planned.results[i]) job.results[*planned.results[i]].patch = session.reports()[i];
  }
  for (const TokenizedText& text : planned.texts) {
    if (work.compares) {
      measure_together(planned, session, text, common, job);
    } else {
      job.results[*planned.results.front()].texts.push_back(measure_alone(planned, session, text, common));
    }
  }
  if (work.text.any()) measure_made(planned, session, work, common, job);
  session.check_restored();
}

}  // namespace fakequant::cli
