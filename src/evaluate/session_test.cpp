#include "evaluate/session.h"

#include <gtest/gtest.h>

#include "evaluate/comparison.h"
#include "evaluate/testing.h"
#include "tensors/testing.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;
using gguf_testing::error_of;
using gguf_testing::TestFolder;
using tensors_testing::GgufBuilder;

constexpr auto kSilent = Progress::Mode::silent;

// A recipe for one tensor, of `path`, which it may change entirely.
struct OneTensorRecipe {
  OneTensorRecipe(const std::string& path, const std::string& tensor, const std::string& format)
      : model(Model::open(path)),
        planned("of one tensor",
                make_plan(model.tensors(), {{std::string(kCommandLineRule), TensorSelection::parse(tensor),
                                             std::nullopt, parse_format(format), std::nullopt}}),
                {model, importance}, kSilent) {}

  Model model;
  ImportanceMatrix importance;
  PlannedRecipe planned;
};

// Plans over made-up models that nothing loads.
class MadeUp : public testing::Test {
 protected:
  static ModelSource source(const std::string& name) { return {name, {}}; }

  // A recipe that changes 4000 bytes.
  PlannedRecipe* recipe() {
    if (!recipe_) {
      GgufBuilder builder;
      builder.add_tensor("a", TensorType::F32, {1000});
      recipe_.emplace(folder_.write("a.gguf", builder.build()), "a", "f16");
    }
    return &recipe_->planned;
  }

  static SessionOptions options(int threads, size_t most_groups, std::optional<uint64_t> logits_bytes = {}) {
    SessionOptions result;
    result.threads = threads;
    result.most_groups = most_groups;
    result.logits_bytes = logits_bytes;
    result.decode.context = 32;
    result.decode.batch = 64;
    return result;
  }

  TestFolder folder_;
  std::optional<OneTensorRecipe> recipe_;
};

using SessionBudgets = MadeUp;

TEST_F(SessionBudgets, OfPerplexityAloneAreADecoderAThread) {
  SessionPlan plan{{source("m")}, {{"m", 0}}};
  MemoryNeeds needs[] = {{1000, 100, 7}};
  SessionBudget budget = session_budget(plan, needs, options(4, 100), std::nullopt);
  EXPECT_EQ(budget.decoders, 4U);
  EXPECT_EQ(budget.logits_bytes, 4 * 7U) << "a group of each decoder";
  EXPECT_EQ(session_budget(plan, needs, options(4, 3), std::nullopt).decoders, 3U)
      << "no more than have work";
  EXPECT_EQ(session_budget(plan, needs, options(1, 100), std::nullopt).decoders, 1U);
}

TEST_F(SessionBudgets, GiveFurtherDecodersThreeQuartersOfWhatIsLeft) {
  SessionPlan plan{{source("m"), source("n")}, {{"m", 0}, {"n", 1}}};
  MemoryNeeds needs[] = {{1000, 60, 7}, {500, 40, 7}};
  // One decoder of each takes 1600; every further pair 100, so two of them need 267 to be left.
  auto decoders = [&](uint64_t free) { return session_budget(plan, needs, options(4, 100), free).decoders; };
  EXPECT_EQ(decoders(1600), 1U);
  EXPECT_EQ(decoders(1600 + 133), 1U);
  EXPECT_EQ(decoders(1600 + 136), 2U);
  EXPECT_EQ(decoders(1600 + 264), 2U);
  EXPECT_EQ(decoders(1600 + 268), 3U);
  EXPECT_EQ(decoders(1600 + 1'000'000), 4U);
}

TEST_F(SessionBudgets, RefuseWhatDoesNotFitInMemory) {
  SessionPlan plan{{source("big\n.gguf")}, {{"m", 0}}};
  MemoryNeeds needs[] = {{1 << 20, 1 << 19, 7}};
  EXPECT_EQ(session_budget(plan, needs, options(4, 100), 3 << 19).decoders, 1U);
  EXPECT_EQ(error_of([&] { session_budget(plan, needs, options(4, 100), (3 << 19) - 1); }),
            "big\\x0a.gguf: needs 1.500 MiB of memory with -c 32 -b 64, found 1.500 MiB free; a smaller -b, "
            "-ctk q8_0 -ctv q8_0, or a smaller model need less");
}

TEST_F(SessionBudgets, CountChangedWeightsOfPatchesOnly) {
  SessionPlan plan{{source("m")}, {{"m", 0}, {"patched", 0, recipe()}, {"again", 0, recipe()}}};
  MemoryNeeds needs[] = {{1000, 100, 7}};
  EXPECT_NO_THROW(session_budget(plan, needs, options(1, 1), 1100 + 8000));
  EXPECT_THROW(session_budget(plan, needs, options(1, 1), 1100 + 7999), Error);
  plan.variants[2].is_patch = false;  // its source holds it
  EXPECT_NO_THROW(session_budget(plan, needs, options(1, 1), 1100 + 4000));
  EXPECT_THROW(session_budget(plan, needs, options(1, 1), 1100 + 3999), Error);
}

TEST_F(SessionBudgets, OfAComparisonHoldTheLogitsOfTheLongestTextAtMost) {
  SessionPlan plan{{source("m")}, {{"m", 0}, {"m", 0}}, true};
  MemoryNeeds needs[] = {{1000, 100, 1000}};
  SessionBudget budget = session_budget(plan, needs, options(2, 10), std::nullopt);
  EXPECT_EQ(budget.logits_bytes, 10'000U);
  EXPECT_EQ(budget.decoders, 2U);
  // As asked, in whole groups.
  budget = session_budget(plan, needs, options(4, 10, 3999), std::nullopt);
  EXPECT_EQ(budget.logits_bytes, 3000U);
  EXPECT_EQ(budget.decoders, 3U) << "each works on a group";
  EXPECT_EQ(session_budget(plan, needs, options(4, 10, 1000), std::nullopt).decoders, 1U);
  EXPECT_EQ(session_budget(plan, needs, options(4, 10, 1 << 30), std::nullopt).logits_bytes, 10'000U);
}

TEST_F(SessionBudgets, TakeTwoGibibytesForLogitsUnlessAGroupIsMore) {
  SessionPlan plan{{source("m")}, {{"m", 0}, {"m", 0}}, true};
  MemoryNeeds small[] = {{0, 0, 1 << 20}};
  EXPECT_EQ(session_budget(plan, small, options(1, 1 << 20), std::nullopt).logits_bytes, uint64_t{2} << 30);
  MemoryNeeds large[] = {{0, 0, uint64_t{5} << 30}};
  EXPECT_EQ(session_budget(plan, large, options(1, 1 << 20), std::nullopt).logits_bytes, uint64_t{5} << 30);
}

TEST_F(SessionBudgets, RefuseLogitsMemoryBelowAGroup) {
  SessionPlan plan{{source("m")}, {{"m", 0}, {"m", 0}}, true};
  MemoryNeeds needs[] = {{1000, 100, 2048}};
  EXPECT_EQ(error_of([&] { session_budget(plan, needs, options(1, 10, 2047), std::nullopt); }),
            "--logits-memory: found 1.999 KiB, wanted at least 2.000 KiB: the logits of 64 tokens (-b); give "
            "more, or a smaller -b");
  EXPECT_NO_THROW(session_budget(plan, needs, options(1, 10, 2048), std::nullopt));
  plan.keeps_logits = false;
  EXPECT_NO_THROW(session_budget(plan, needs, options(1, 10, 2047), std::nullopt));
}

TEST_F(SessionBudgets, ShrinkLogitsThatNobodyAskedForBeforeTheyRefuse) {
  SessionPlan plan{{source("m")}, {{"m", 0}, {"m", 0}}, true};
  MemoryNeeds needs[] = {{1000, 100, 50}};
  // Ten groups fit exactly, or only one does.
  EXPECT_EQ(session_budget(plan, needs, options(2, 10), 1600).logits_bytes, 500U);
  SessionBudget budget = session_budget(plan, needs, options(2, 10), 1599);
  EXPECT_EQ(budget.logits_bytes, 200U) << "whole groups in half of the 499 bytes that are left";
  EXPECT_EQ(budget.decoders, 2U);
  EXPECT_EQ(session_budget(plan, needs, options(2, 10), 1150).logits_bytes, 50U);
  EXPECT_THROW(session_budget(plan, needs, options(2, 10), 1149), Error);
  // What was asked for is not made less.
  EXPECT_THROW(session_budget(plan, needs, options(2, 10, 500), 1599), Error);
  EXPECT_NO_THROW(session_budget(plan, needs, options(2, 10, 500), 1600));
}

class SessionsThatFit : public MadeUp {
 protected:
  // A baseline, itself patched, and three other models.
  SessionPlan plan(bool keeps_logits) {
    return {{source("base"), source("a"), source("b"), source("c")},
            {{"base", 0}, {"patched", 0, recipe()}, {"a", 1}, {"b", 2}, {"c", 3}},
            keeps_logits};
  }
  static std::vector<std::vector<size_t>> variants(const std::vector<SessionPart>& parts) {
    std::vector<std::vector<size_t>> result;
    for (const SessionPart& part : parts) result.push_back(part.variants);
    return result;
  }

  using Parts = std::vector<std::vector<size_t>>;
  const std::vector<MemoryNeeds> needs_ = std::vector<MemoryNeeds>(4, {9000, 1000, 500});
};

TEST_F(SessionsThatFit, AreOneWhereMemoryIsUnknownOrEnough) {
  Parts all = {{0, 1, 2, 3, 4}};
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4), std::nullopt)), all);
  // Four models, the patch, a group of logits.
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4), 40'000 + 4000 + 500)), all);
  EXPECT_EQ(variants(sessions_that_fit(plan(false), needs_, options(2, 4), 40'000 + 4000)), all);
}

TEST_F(SessionsThatFit, BeginEachWithTheBaseline) {
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4), 40'000 + 4000 + 499)),
            (Parts{{0, 1, 2, 3}, {0, 4}}));
  std::vector<SessionPart> parts = sessions_that_fit(plan(true), needs_, options(2, 4), 24'500);
  EXPECT_EQ(variants(parts), (Parts{{0, 1, 2}, {0, 3}, {0, 4}}));
  // Each has the sources of its variants, under their new numbers.
  const SessionPlan& last = parts[2].plan;
  EXPECT_TRUE(last.keeps_logits);
  ASSERT_EQ(last.sources.size(), 2U);
  EXPECT_EQ(last.sources[0].name, "base");
  EXPECT_EQ(last.sources[1].name, "c");
  ASSERT_EQ(last.variants.size(), 2U);
  EXPECT_EQ(last.variants[0].source, 0U);
  EXPECT_EQ(last.variants[1].source, 1U);
  EXPECT_EQ(last.variants[1].name, "c");
  EXPECT_EQ(parts[0].plan.variants[1].recipe, recipe());
  EXPECT_EQ(parts[0].plan.variants[1].source, 0U);
}

TEST_F(SessionsThatFit, HaveTheirOwnBudgets) {
  std::vector<SessionPart> parts = sessions_that_fit(plan(true), needs_, options(2, 4), 24'500);
  // The first is full; beside the others there is room for all four groups, and for a second pair of decoders.
  EXPECT_EQ(parts[0].budget.logits_bytes, 500U);
  EXPECT_EQ(parts[0].budget.decoders, 1U);
  EXPECT_EQ(parts[1].budget.logits_bytes, 2000U);
  EXPECT_EQ(parts[1].budget.decoders, 1U) << "2500 are left, and three quarters of them take no pair";
  parts = sessions_that_fit(plan(true), needs_, options(2, 4), 30'500);
  EXPECT_EQ(variants(parts), (Parts{{0, 1, 2}, {0, 3, 4}}));
  EXPECT_EQ(parts[0].budget.decoders, 2U);
}

TEST_F(SessionsThatFit, WithoutLogitsToKeepNeedNoBaseline) {
  EXPECT_EQ(variants(sessions_that_fit(plan(false), needs_, options(2, 4), 24'000)),
            (Parts{{0, 1, 2}, {3, 4}}));
  EXPECT_EQ(variants(sessions_that_fit(plan(false), needs_, options(2, 4), 14'000)),
            (Parts{{0, 1}, {2}, {3}, {4}}));
}

TEST_F(SessionsThatFit, RefuseAVariantThatDoesNotFitAlone) {
  std::string error = error_of([&] { sessions_that_fit(plan(true), needs_, options(2, 4), 20'499); });
  EXPECT_EQ(error.find("base: needs "), 0U) << error;
  EXPECT_NO_THROW(sessions_that_fit(plan(true), needs_, options(2, 4), 20'500));
}

TEST_F(SessionsThatFit, CountNoMoreLogitsThanTheTextHas) {
  // Two gigabytes are allowed, four groups are all that there is.
  uint64_t allowed = uint64_t{1} << 31;
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4, allowed), 40'000 + 4000 + 2000)),
            (Parts{{0, 1, 2, 3, 4}}));
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4, allowed), 40'000 + 4000 + 1999)),
            (Parts{{0, 1, 2, 3}, {0, 4}}));
  // Whole groups count: of 1499 bytes two.
  EXPECT_EQ(variants(sessions_that_fit(plan(true), needs_, options(2, 4, 1499), 40'000 + 4000 + 1000)),
            (Parts{{0, 1, 2, 3, 4}}));
}

// Sessions of the demo model.

ModelSource demo_source() {
  return {"demo", [](LoadedModel::Weights weights) { return engine_testing::load(kDemo, weights); }};
}

SessionOptions demo_options() {
  SessionOptions options;
  options.decode.context = kContext;
  options.decode.batch = 2 * kContext;
  options.threads = 2;
  return options;
}

TEST(MemoryNeedsOf, AModelAreThoseOfItsDecoder) {
  DecodeOptions decode = demo_options().decode;
  MemoryNeeds needs = memory_needs(demo_source(), decode);
  ChunkDecoder decoder(running().model, decode);
  EXPECT_EQ(needs.weights, decoder.memory().weights);
  EXPECT_EQ(needs.decoder, decoder.memory().working);
  EXPECT_EQ(needs.group_logits, decoder.group_logits_bytes());
  EXPECT_EQ(needs.group_logits, 2U * 16 * 2048 * 4);
}

TEST(Sessions, HoldVariantsInTheirOrderWithTheirReports) {
  OneTensorRecipe norm(kDemo, "blk.0.ffn_norm.weight", "bf16:rtz");
  OneTensorRecipe up(kDemo, "blk.0.ffn_up.weight", "int4:group=32");
  SessionPart part{{{demo_source(), demo_source()},
                    {{"demo", 0},
                     {"norm", 0, &norm.planned},
                     {"made elsewhere", 1, &up.planned, false},
                     {"up", 0, &up.planned}},
                    true},
                   {0, 1, 2, 3},
                   {3, 12345}};
  Session session(part, demo_options(), kSilent);
  EXPECT_EQ(session.logits_bytes(), 12345U);
  std::span<const Variant> variants = session.variants();
  ASSERT_EQ(variants.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(variants[i].name, part.plan.variants[i].name);
    EXPECT_EQ(variants[i].running->decoders.size(), 3U);
    EXPECT_EQ(variants[i].patch != nullptr, i % 2 == 1) << i;
    EXPECT_EQ(variants[i].running == variants[0].running, i != 2) << i;
    EXPECT_EQ(session.reports()[i].has_value(), i > 0) << i;
  }
  EXPECT_EQ(session.reports()[1]->changed_bytes, 1024U);
  EXPECT_EQ(session.reports()[1]->tensors.size(), 1U);
  EXPECT_TRUE(session.reports()[1]->unused.empty());
  EXPECT_TRUE(session.reports()[2]->tensors.empty()) << "nothing was rounded in memory";
  EXPECT_EQ(session.reports()[3]->changed_bytes, 256U * 512 * 2);
  EXPECT_EQ(variants[3].patch->bytes(), 256U * 512 * 2);
}

TEST(Sessions, TellWhatTheGraphDoesNotUse) {
  TestFolder folder;
  std::string path = folder.write("long.gguf", engine_testing::demo_with_rope_factors());
  ModelSource source{"long",
                     [&](LoadedModel::Weights weights) { return engine_testing::load(path, weights); }};
  OneTensorRecipe recipe(path, "rope_factors_long.weight", "e4m3");
  const std::vector<std::string> unused = {"rope_factors_long.weight"};
  SessionPlan plan{{source}, {{"patched", 0, &recipe.planned}, {"elsewhere", 0, &recipe.planned, false}}};
  Session session({plan, {0, 1}, {}}, demo_options(), kSilent);
  EXPECT_EQ(session.reports()[0]->unused, unused);
  EXPECT_EQ(session.reports()[0]->changed_bytes, 0U);
  EXPECT_EQ(session.reports()[1]->unused, unused);
  // Contexts beyond 256 take these factors.
  SessionOptions options = demo_options();
  options.decode.context = 512;
  options.decode.batch = 512;
  Session longer({plan, {0, 1}, {}}, options, kSilent);
  EXPECT_TRUE(longer.reports()[0]->unused.empty());
  EXPECT_EQ(longer.reports()[0]->changed_bytes, 64U);
}

TEST(Sessions, CompareAndAreRestored) {
  OneTensorRecipe norm(kDemo, "blk.0.ffn_norm.weight", "e4m3");
  SessionPart part{{{demo_source()}, {{"demo", 0}, {"norm", 0, &norm.planned}}, true}, {0, 1}, {2, 1 << 20}};
  Session session(part, demo_options(), kSilent);
  session.check_restored();
  std::vector<int32_t> tokens = text_tokens(4 * kContext);
  ComparisonResult found =
      compare_variants({.variant = &session.variants()[0]}, session.variants().subspan(1), {tokens, 4},
                       session.logits_bytes(), [](const ComparisonStep&) {});
  EXPECT_GT(found.variants[0].divergence.estimate().kld.value, 0);
  session.check_restored();
}

TEST(Sessions, NoticeAWeightThatIsNotRestored) {
  OneTensorRecipe norm(kDemo, "blk.0.ffn_norm.weight", "e4m3");
  SessionPart part{{{demo_source()}, {{"demo", 0}, {"norm", 0, &norm.planned}}, true}, {0, 1}, {1, 1 << 20}};
  Session session(part, demo_options(), kSilent);
  const std::string said = kDemo + ": tensor 'blk.0.ffn_norm.weight': found other bytes in memory";
  {
    ActiveVariant active(session.variants()[1]);
    EXPECT_EQ(error_of([&] { session.check_restored(); }).find(said), 0U);
  }
  session.check_restored();
  ModelWeights of_session(session.variants()[0].running->model, kContext);
  std::vector<std::byte> bytes(1024);
  of_session.read("blk.0.ffn_norm.weight", bytes);
  bytes[500] ^= std::byte{4};
  of_session.exchange("blk.0.ffn_norm.weight", bytes);
  EXPECT_EQ(error_of([&] { session.check_restored(); }).find(said), 0U);
}

}  // namespace
}  // namespace fakequant
