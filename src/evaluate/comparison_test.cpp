#include "evaluate/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/parallel.h"
#include "evaluate/perplexity_pass.h"
#include "evaluate/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;
using gguf_testing::bytes_of;
using gguf_testing::error_of;
using gguf_testing::TestFolder;

const std::string kNorm = "blk.2.ffn_norm.weight";
constexpr size_t kVocabulary = 2048;
constexpr uint64_t kChunkLogitsBytes = 16 * kVocabulary * sizeof(float);  // positions 16 to 31
constexpr size_t kChunks = 7;

class Comparisons : public testing::Test {
 protected:
  void SetUp() override { use_decoders(1, 1); }
  void TearDown() override { running().decoders.clear(); }

  void use_decoders(size_t count, int group_size) {
    running().decoders.clear();
    running().decoders = make_decoders(count, group_size);
    group_bytes_ = kChunkLogitsBytes * static_cast<uint64_t>(group_size);
  }

  ComparisonResult compare(std::span<const Variant> variants, uint64_t logits_bytes) {
    return compare_variants({.variant = &baseline_}, variants, {tokens_, kChunks}, logits_bytes, ignore_);
  }

  std::vector<int32_t> tokens_ = text_tokens(kChunks * kContext + 3);
  Variant baseline_{"demo", &running()};
  uint64_t group_bytes_ = 0;
  std::function<void(const ComparisonStep&)> ignore_ = [](const ComparisonStep&) {};
};

// All that a comparison tells but times.
void expect_same(const DivergenceSum& found, const DivergenceSum& wanted) {
  ASSERT_EQ(found.chunks().size(), wanted.chunks().size());
  for (size_t i = 0; i < found.chunks().size(); ++i) {
    const ChunkDivergence& a = found.chunks()[i];
    const ChunkDivergence& b = wanted.chunks()[i];
    EXPECT_EQ(a.nats, b.nats) << i;
    EXPECT_EQ(a.nats_baseline, b.nats_baseline) << i;
    EXPECT_EQ(a.kld, b.kld) << i;
    EXPECT_EQ(a.p_diff, b.p_diff) << i;
    EXPECT_EQ(a.same_top, b.same_top) << i;
  }
  EXPECT_EQ(found.model().running(), wanted.model().running());
  EXPECT_EQ(found.baseline().running(), wanted.baseline().running());
  if (wanted.chunks().empty()) return;
  DivergenceEstimate a = found.estimate();
  DivergenceEstimate b = wanted.estimate();
  EXPECT_EQ(a.kld.value, b.kld.value);
  EXPECT_EQ(a.klds.quantiles, b.klds.quantiles);
  EXPECT_EQ(a.p_diffs.quantiles, b.p_diffs.quantiles);
  EXPECT_EQ(a.entropy_shift.value, b.entropy_shift.value);
  EXPECT_EQ(a.flips_by_margin, b.flips_by_margin);
}

TEST_F(Comparisons, OfAModelWithItselfFindNothing) {
  Variant again{"again", &running()};
  ComparisonResult result = compare({&again, 1}, group_bytes_);
  ASSERT_EQ(result.variants.size(), 1U);
  EXPECT_EQ(result.variants[0].failure, std::nullopt);
  DivergenceEstimate found = result.variants[0].divergence.estimate();
  EXPECT_EQ(found.token_count, kChunks * 15);
  EXPECT_EQ(found.kld.value, 0);
  EXPECT_EQ(found.klds.maximum, 0);
  EXPECT_EQ(found.klds.minimum, 0);
  EXPECT_EQ(found.p_diff_rms.value, 0);
  EXPECT_EQ(found.same_top.value, 1);
  EXPECT_EQ(found.flip_count, 0U);
  EXPECT_EQ(found.entropy_shift.value, 0);
  EXPECT_EQ(found.ln_ppl_ratio.value, 0);
}

TEST_F(Comparisons, HavePerplexitiesAsTheyAreMeasuredAlone) {
  auto perplexity = [&] {
    return measure_perplexity(running().decoders, tokens_, kChunks, [](const PerplexitySum&) {});
  };
  WeightPatch patch(weights(), scaled(kNorm, 0.5F));
  Variant variant{"halved", &running(), &patch};
  ComparisonResult result = compare({&variant, 1}, 2 * group_bytes_);
  EXPECT_FALSE(patch.is_applied());
  EXPECT_EQ(result.baseline.running(), perplexity().running());
  EXPECT_EQ(result.variants[0].divergence.baseline().running(), perplexity().running());
  patch.apply();
  EXPECT_EQ(result.variants[0].divergence.model().running(), perplexity().running());
  EXPECT_GT(result.variants[0].divergence.estimate().kld.value, 1e-4);
  EXPECT_GT(result.variants[0].seconds, 0);
  EXPECT_GT(result.baseline_seconds, 0);
}

TEST_F(Comparisons, DependOnNeitherMemoryNorDecodersNorOtherVariants) {
  WeightPatch halved(weights(), scaled(kNorm, 0.5F));
  WeightPatch grown(weights(), scaled("output_norm.weight", 1.25F));
  std::vector<Variant> variants = {{"halved", &running(), &halved}, {"grown", &running(), &grown}};
  use_decoders(1, 2);
  ComparisonResult wanted = compare(variants, group_bytes_);
  EXPECT_NE(wanted.variants[0].divergence.kld_so_far(), wanted.variants[1].divergence.kld_so_far());
  for (size_t decoders : {1U, 3U}) {
    ThreadLimit limit(static_cast<int>(decoders));
    use_decoders(decoders, 2);
    for (uint64_t bytes : {group_bytes_, 2 * group_bytes_, 3 * group_bytes_ - 1, 100 * group_bytes_}) {
      SCOPED_TRACE(testing::Message() << decoders << " decoders, " << bytes << " bytes");
      ComparisonResult found = compare(variants, bytes);
      EXPECT_EQ(found.baseline.running(), wanted.baseline.running());
      for (size_t i = 0; i < variants.size(); ++i)
        expect_same(found.variants[i].divergence, wanted.variants[i].divergence);
    }
  }
  ComparisonResult alone = compare(std::span(variants).last(1), group_bytes_);
  expect_same(alone.variants[0].divergence, wanted.variants[1].divergence);
}

TEST_F(Comparisons, TellOfEveryStage) {
  WeightPatch patch(weights(), scaled(kNorm, 0.5F));
  std::vector<Variant> variants = {{"again", &running()}, {"halved", &running(), &patch}};
  struct Step {
    uint64_t tokens;
    std::optional<size_t> variant;
    size_t baseline_chunks;
    size_t chunks_of_last;
    bool operator==(const Step&) const = default;
  };
  std::vector<Step> steps;
  compare_variants({.variant = &baseline_}, variants, {tokens_, kChunks}, 3 * group_bytes_,
                   [&](const ComparisonStep& step) {
                     steps.push_back({step.tokens, step.variant, step.so_far->baseline.running().size(),
                                      step.so_far->variants[1].divergence.chunks().size()});
                   });
  // Stages of three, three and one chunk of 32 tokens.
  std::vector<Step> wanted = {{96, {}, 3, 0}, {96, 0, 3, 0},  {96, 1, 3, 3}, {96, {}, 6, 3}, {96, 0, 6, 3},
                              {96, 1, 6, 6},  {32, {}, 7, 6}, {32, 0, 7, 6}, {32, 1, 7, 7}};
  EXPECT_EQ(steps, wanted);
}

// The embedding of one token, with a NaN in it.
std::vector<WeightChange> nan_embedding(int32_t token) {
  std::vector<std::byte> bytes = engine_testing::demo_bytes("token_embd.weight");
  constexpr uint16_t kNan = 0x7E00;
  std::memcpy(bytes.data() + static_cast<size_t>(token) * 256 * sizeof kNan, &kNan, sizeof kNan);
  return {{"token_embd.weight", bytes}};
}

TEST_F(Comparisons, GoOnWithoutAVariantThatComputesNan) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  WeightPatch broken(weights(), scaled("output_norm.weight", nan));
  WeightPatch halved(weights(), scaled(kNorm, 0.5F));
  std::vector<Variant> variants = {
      {"again", &running()}, {"bro\nken", &running(), &broken}, {"halved", &running(), &halved}};
  size_t steps_of_broken = 0;
  ComparisonResult result = compare_variants(
      {.variant = &baseline_}, variants, {tokens_, kChunks}, group_bytes_,
      [&](const ComparisonStep& step) { steps_of_broken += step.variant == size_t{1} ? 1 : 0; });
  EXPECT_EQ(result.variants[1].failure.value_or("").find("bro\\x0aken: chunk 1, position 16: found NaN"), 0U)
      << result.variants[1].failure.value_or("");
  EXPECT_TRUE(result.variants[1].divergence.chunks().empty());
  EXPECT_EQ(steps_of_broken, 1U);
  EXPECT_EQ(result.variants[0].divergence.estimate().kld.value, 0);
  ComparisonResult alone = compare(std::span(variants).last(1), group_bytes_);
  expect_same(result.variants[2].divergence, alone.variants[0].divergence);
}

TEST_F(Comparisons, KeepTheStagesBeforeAFailure) {
  // A token that comes first in the fifth chunk, of which the first half is not scored.
  size_t place = 4 * kContext + 3;
  while (std::ranges::count(std::span(tokens_).first(place + 1), tokens_[place]) > 1) ++place;
  ASSERT_LT(place, size_t{5} * kContext);
  WeightPatch broken(weights(), nan_embedding(tokens_[place]));
  Variant variant{"broken", &running(), &broken};
  ComparisonResult result = compare({&variant, 1}, 2 * group_bytes_);
  std::string text = result.variants[0].failure.value_or("");
  EXPECT_NE(text.find("broken: chunk 5, position "), std::string::npos) << text;
  EXPECT_EQ(result.variants[0].divergence.chunks().size(), 4U);
  EXPECT_EQ(result.variants[0].divergence.kld_so_far(), 0);
  EXPECT_EQ(result.baseline.running().size(), kChunks);
}

TEST_F(Comparisons, FailWithABaselineThatComputesNan) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  WeightPatch broken(weights(), scaled("output_norm.weight", nan));
  baseline_ = {"broken", &running(), &broken};
  Variant variant{"demo", &running()};
  EXPECT_THROW(compare({&variant, 1}, group_bytes_), NonFiniteError);
  EXPECT_FALSE(broken.is_applied());
  std::string text = error_of([&] { compare({&variant, 1}, group_bytes_); });
  EXPECT_EQ(text.find("broken: chunk 1, position 16: found NaN"), 0U) << text;
}

// What llama-perplexity would write of logits: of each row the log-probabilities in steps of 1/1024 from -20 on, those below clipped.
std::string logits_file_bytes(std::span<const int32_t> tokens, size_t chunks) {
  std::string bytes = "_logits_" + bytes_of(uint32_t{kContext}) + bytes_of(int32_t{kVocabulary}) +
                      bytes_of(static_cast<int32_t>(chunks));
  for (int32_t token : tokens.first(chunks * kContext)) bytes += bytes_of(token);
  decode_chunks(running().decoders, tokens, {0, chunks}, [&](const DecodedChunk& chunk) {
    for (size_t i = 0; i < chunk.labels.size(); ++i) {
      LogNormalizer normalizer = log_normalizer(chunk.row(i));
      bytes += bytes_of(1 / 1024.0F) + bytes_of(-20.0F);
      for (float logit : chunk.row(i)) {
        double ln = static_cast<double>(logit - normalizer.largest) - normalizer.log_sum;
        bytes += bytes_of(static_cast<uint16_t>(std::max(0.0, (ln + 20) * 1024)));
      }
    }
  });
  return bytes;
}

TEST_F(Comparisons, WithAFileOfLogitsAreOfItsRows) {
  TestFolder folder;
  LogitsFile file(folder.write("logits", logits_file_bytes(tokens_, kChunks)));
  WeightPatch patch(weights(), scaled(kNorm, 0.5F));
  std::vector<Variant> variants = {{"demo", &running()}, {"halved", &running(), &patch}};
  std::vector<std::optional<size_t>> steps;
  ComparisonResult result = compare_variants({.file = &file}, variants, {tokens_, kChunks}, 4 * group_bytes_,
                                             [&](const ComparisonStep& step) {
                                               EXPECT_EQ(step.so_far->baseline.token_count(), 0U);
                                               steps.push_back(step.variant);
                                             });
  EXPECT_EQ(steps, (std::vector<std::optional<size_t>>{{}, 0, 1, {}, 0, 1}));

  for (const auto& [index, found] : {std::pair{0, &result.variants[0]}, {1, &result.variants[1]}}) {
    DivergenceSum wanted;
    ActiveVariant active(variants[static_cast<size_t>(index)]);
    decode_chunks(running().decoders, tokens_, {0, kChunks}, [&](const DecodedChunk& chunk) {
      std::vector<TokenComparison> compared;
      std::vector<float> row(kVocabulary);
      for (size_t i = 0; i < chunk.labels.size(); ++i) {
        file.read_rows(chunk.index, i, row);
        compared.push_back(compare_token(LogitsFile::baseline_row(row), chunk.row(i), chunk.labels[i]));
      }
      wanted.add_chunk(compared);
    });
    expect_same(found->divergence, wanted);
  }
  // Codes are cut off to steps of 1/1024 nats.
  EXPECT_NEAR(result.variants[0].divergence.estimate().kld.value, 0, 1 / 1024.0);
  EXPECT_GT(result.variants[1].divergence.estimate().kld.value, 0.01);
}

using ComparisonsDeathTest = Comparisons;

TEST_F(ComparisonsDeathTest, BaselinesMemoryAndContextsAreChecked) {
  Variant variant{"demo", &running()};
  TestFolder folder;
  LogitsFile file(folder.write("logits", logits_file_bytes(tokens_, 2)));
  auto with = [&](const Baseline& baseline, std::span<const int32_t> tokens, size_t chunks) {
    compare_variants(baseline, {&variant, 1}, {tokens, chunks}, group_bytes_, ignore_);
  };
  EXPECT_DEATH(with({}, tokens_, 2), "baseline.variant");
  EXPECT_DEATH(with({&baseline_, &file}, tokens_, 2), "baseline.variant");
  EXPECT_DEATH(compare({&variant, 1}, group_bytes_ - 1), "group_logits_bytes");
  // A file of other tokens, and of fewer chunks.
  std::vector<int32_t> others = tokens_;
  ++others[40];
  with({.file = &file}, tokens_, 2);
  EXPECT_DEATH(with({.file = &file}, others, 2), "tokens");
  EXPECT_DEATH(with({.file = &file}, tokens_, 3), "chunk_count");
  // Of chunks of 16 tokens; of another vocabulary.
  auto of_zeros = [&](uint32_t context, int32_t vocabulary) {
    size_t scored = context - 1 - context / 2;
    std::string bytes = "_logits_" + bytes_of(context) + bytes_of(vocabulary) + bytes_of(int32_t{1});
    bytes.append(context * 4 + scored * (8 + 2 * static_cast<size_t>(vocabulary)), '\0');
    return LogitsFile(folder.write("zeros", bytes));
  };
  LogitsFile short_chunks = of_zeros(16, kVocabulary);
  EXPECT_DEATH(with({.file = &short_chunks}, tokens_, 1), "context");
  LogitsFile few_tokens = of_zeros(kContext, 4);
  EXPECT_DEATH(with({.file = &few_tokens}, tokens_, 1), "vocabulary_size");
  EXPECT_DEATH(compare_variants({.file = &file}, {}, {tokens_, 2}, group_bytes_, ignore_), "variants.empty");
  RunningModel other(engine_testing::load());
  other.decoders = make_decoders(1, 2, other.model);
  Variant in_pairs{"pairs", &other};
  EXPECT_DEATH(compare({&in_pairs, 1}, 2 * group_bytes_), "group_size");
}

}  // namespace
}  // namespace fakequant
