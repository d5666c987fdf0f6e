#include "evaluate/baseline_session.h"

#include <algorithm>

#include "evaluate/text_measurements.h"

namespace fakequant {

namespace {

SessionOptions with_groups(SessionOptions options, const std::vector<TokenizedText>& texts) {
  auto group = static_cast<size_t>(std::max(1, options.decode.batch / options.decode.context));
  for (const TokenizedText& text : texts) {
    size_t groups = (text.chunks + group - 1) / group;
    options.most_groups = std::max(options.most_groups, groups);
    options.logits_groups += groups;
  }
  return options;
}

// `options` with groups.
SessionPart part_of(const ModelSource& baseline, bool has_texts, const SessionOptions& options) {
  SessionPart part;
  part.plan = {{baseline}, {{baseline.name, 0}}, has_texts, true};
  part.variants = {0};
  MemoryNeeds needs[] = {memory_needs(baseline, options.decode)};
  part.budget = session_budget(part.plan, needs, options, memory_for(options));
  return part;
}

}  // namespace

void check_memory(const ModelSource& baseline, const std::vector<TokenizedText>& texts,
                  const SessionOptions& options) {
  part_of(baseline, !texts.empty(), with_groups(options, texts));
}

BaselineSession::BaselineSession(const ModelSource& baseline, std::vector<TokenizedText> texts,
                                 const SessionOptions& options, Progress::Mode progress)
    : texts_(std::move(texts)), options_(with_groups(options, texts_)) {
  session_ = std::make_unique<Session>(part_of(baseline, !texts_.empty(), options_), options_, progress);
  if (texts_.empty()) return;
  const ChunkDecoder& reader = *this->baseline().running->decoders.front();
  std::vector<uint64_t> wanted;
  for (const TokenizedText& text : texts_) wanted.push_back(logits_bytes_of(reader, text.chunks));
  std::vector<uint64_t> shares =
      share_logits_bytes(session_->logits_bytes(), wanted, reader.group_logits_bytes());
  for (size_t i = 0; i < texts_.size(); ++i) {
    logits_.push_back(std::make_unique<BaselineLogits>(Baseline{.variant = &this->baseline()}, reader,
                                                       ComparisonText{texts_[i].tokens, texts_[i].chunks},
                                                       shares[i]));
  }
}

BaselineLogits& BaselineSession::logits(size_t text_index) {
  return *logits_.at(text_index);
}

ComparisonResult BaselineSession::measure_baseline(
    size_t text_index, const std::function<void(const ComparisonStep&)>& progress) {
  return compare_variants(logits(text_index), {}, progress);
}

VariantComparison BaselineSession::compare(const Variant& variant, size_t text_index,
                                           const std::function<void(const ComparisonStep&)>& progress) {
  return compare_variants(logits(text_index), {&variant, 1}, progress).variants.front();
}

BaselineTexts& BaselineSession::baseline_texts(const std::vector<PromptRun>& runs, bool chat_template,
                                               const TextProgress& progress) {
  if (made_ != nullptr && runs_ == runs && chat_template_ == chat_template) return *made_;
  made_.reset();
  made_ = std::make_unique<BaselineTexts>(baseline(), runs,
                                          generation_options(options_.decode, chat_template), progress);
  runs_ = runs;
  chat_template_ = chat_template;
  return *made_;
}

}  // namespace fakequant
