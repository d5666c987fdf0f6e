#pragma once
// One baseline in memory with its texts, and variants that are measured against it one at a time: what experiments and sweeps do,
// thousands of times with one load. Knows no plans of those.

#include <memory>
#include <optional>
#include <vector>

#include "evaluate/comparison.h"
#include "evaluate/corpus.h"
#include "evaluate/generation.h"
#include "evaluate/session.h"

namespace fakequant {

// Throws Error where memory does not suffice for a BaselineSession of the same, before weights are read.
void check_memory(const ModelSource& baseline, const std::vector<TokenizedText>& texts,
                  const SessionOptions& options);

class BaselineSession {
 public:
  // Loads the baseline. Of the options, groups are counted here.
  //
  //   texts    as the baseline reads them: EvaluationInputs::texts(); may be none
  //   options  decode with context and batch settled; visiting_bytes for the largest variant that will come
  //   throws   Error where memory does not suffice, before weights are read, and as Session does
  BaselineSession(const ModelSource& baseline, std::vector<TokenizedText> texts,
                  const SessionOptions& options, Progress::Mode progress);

  const std::vector<TokenizedText>& texts() const { return texts_; }
  const Variant& baseline() const { return session_->variants().front(); }
  SpeedSubject baseline_subject() const { return session_->speed_subjects().front(); }

  // As Session::add(). One variant is measured at a time.
  std::unique_ptr<SessionVariant> add(const VariantRequest& request) { return session_->add(request); }

  // The perplexity of the baseline alone, and the seconds that it took: ComparisonResult without variants. Logits stay where they fit.
  ComparisonResult measure_baseline(size_t text_index,
                                    const std::function<void(const ComparisonStep&)>& progress);

  // A variant against the baseline on a text, the same to the last bit whatever was compared before. Throws as compare_variants() does.
  VariantComparison compare(const Variant& variant, size_t text_index,
                            const std::function<void(const ComparisonStep&)>& progress);

  // The texts that the baseline makes of `runs`, kept as long as the same runs and options are asked for. Throws as BaselineTexts does.
  BaselineTexts& baseline_texts(const std::vector<PromptRun>& runs, bool chat_template,
                                const TextProgress& progress);

 private:
  BaselineLogits& logits(size_t text_index);

  std::vector<TokenizedText> texts_;
  SessionOptions options_;
  std::unique_ptr<Session> session_;
  std::vector<std::unique_ptr<BaselineLogits>> logits_;  // of each text
  std::vector<PromptRun> runs_;                          // of made_
  bool chat_template_ = false;
  std::unique_ptr<BaselineTexts> made_;
};

}  // namespace fakequant
