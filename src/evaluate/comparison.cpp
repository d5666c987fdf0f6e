#include "evaluate/comparison.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "engine/non_finite.h"
#include "evaluate/perplexity_pass.h"

namespace fakequant {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

using ChunkComparison = std::vector<TokenComparison>;

ChunkComparison compare_chunk(const BaselineLogits& baseline, const DecodedChunk& chunk,
                              const Variant& variant) {
  ChunkComparison tokens(chunk.labels.size());
  baseline.visit_rows(chunk.index, [&](size_t i, const BaselineRow& row) {
    tokens[i] = compare_token(row, chunk.row(i), chunk.labels[i]);
  });
  const ChunkDecoder& decoder = *variant.running->decoders.front();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].is_finite()) continue;
    if (!std::isfinite(tokens[i].nats))
      throw NonFiniteError("{}", not_finite(variant.name, decoder, chunk.index, i, tokens[i].nats));
    throw NonFiniteError(
        "{}: chunk {}, position {}: found probability 0 for a token that the baseline finds possible, wanted "
        "a finite KL divergence",
        printable(variant.name), chunk.index + 1, static_cast<size_t>(decoder.first_position()) + i);
  }
  return tokens;
}

// Of the present stage.
void compare_stage(const BaselineLogits& baseline, const Variant& variant, ChunkRange range,
                   VariantComparison& result) {
  Clock::time_point start = Clock::now();
  std::vector<ChunkComparison> chunks(range.count);
  try {
    ActiveVariant active(variant);
    decode_chunks(variant.running->decoders, baseline.text().tokens, range, [&](const DecodedChunk& chunk) {
      chunks[chunk.index - range.first] = compare_chunk(baseline, chunk, variant);
    });
    for (const ChunkComparison& chunk : chunks) result.divergence.add_chunk(chunk);
  } catch (const NonFiniteError& found) {
    result.failure = found.what();
  }
  result.seconds += seconds_since(start);
}

}  // namespace

ComparisonResult compare_variants(BaselineLogits& baseline, std::span<const Variant> variants,
                                  const std::function<void(const ComparisonStep&)>& progress) {
  for (const Variant& variant : variants) {
    const ChunkDecoder& other = *variant.running->decoders.front();
    FQ_CHECK(other.context() == baseline.reader().context());
    FQ_CHECK(other.group_size() == baseline.reader().group_size());
  }
  ComparisonResult result;
  result.variants.resize(variants.size());
  for (size_t stage = 0; stage < baseline.stage_count(); ++stage) {
    ChunkRange range = baseline.range(stage);
    uint64_t tokens = range.count * static_cast<uint64_t>(baseline.reader().context());
    Clock::time_point start = Clock::now();
    baseline.open(stage);
    baseline.add_to(result.baseline);
    result.baseline_seconds += seconds_since(start);
    progress({tokens, std::nullopt, &result});
    for (size_t i = 0; i < variants.size(); ++i) {
      if (result.variants[i].failure) continue;
      compare_stage(baseline, variants[i], range, result.variants[i]);
      progress({tokens, i, &result});
    }
  }
  baseline.release();
  return result;
}

ComparisonResult compare_variants(const Baseline& baseline, std::span<const Variant> variants,
                                  const ComparisonText& text, uint64_t logits_bytes,
                                  const std::function<void(const ComparisonStep&)>& progress) {
  FQ_CHECK(baseline.file == nullptr || !variants.empty());
  const Variant& reader = baseline.variant != nullptr ? *baseline.variant : variants.front();
  BaselineLogits logits(baseline, *reader.running->decoders.front(), text, logits_bytes);
  return compare_variants(logits, variants, progress);
}

}  // namespace fakequant
