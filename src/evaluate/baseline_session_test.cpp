#include "evaluate/baseline_session.h"

#include <gtest/gtest.h>

#include "evaluate/recipe_placement.h"
#include "evaluate/testing.h"
#include "formats/format_grammar.h"

namespace fakequant {
namespace {

using namespace evaluate_testing;
using gguf_testing::error_of;

constexpr auto kSilent = Progress::Mode::silent;
constexpr uint64_t kGroupBytes = 2 * 16 * 2048 * sizeof(float);  // two chunks of 32 tokens

// The demo in memory with two texts; recipes of it.
class BaselineSessions : public testing::Test {
 protected:
  static SessionOptions options() {
    SessionOptions result;
    result.decode.context = kContext;
    result.decode.batch = 2 * kContext;
    result.threads = 2;
    return result;
  }

  std::unique_ptr<BaselineSession> session(const SessionOptions& wanted = options()) {
    return std::make_unique<BaselineSession>(file_source(input_, {}), texts(), wanted, kSilent);
  }

  static std::vector<TokenizedText> texts() {
    return {{"a", text_tokens(5 * kContext), 5}, {"b", text_tokens(9 * kContext), 9}};
  }

  PlannedRecipe& recipe(const std::string& tensors, const std::string& format, Store store = Store::keep) {
    Rule rule{std::string(kCommandLineRule), TensorSelection::parse(tensors), std::nullopt,
              parse_format(format), store};
    return recipes_.emplace_back(tensors + " in " + format, make_plan(model_.tensors(), {rule}),
                                 RecipeInputs{model_, importance_}, kSilent);
  }

  static VariantComparison compare(BaselineSession& session, const Variant& variant, size_t text = 0) {
    return session.compare(variant, text, [](const ComparisonStep&) {});
  }
  static double kld(BaselineSession& session, const Variant& variant, size_t text = 0) {
    return compare(session, variant, text).divergence.estimate().kld.value;
  }

  Model model_ = Model::open(kDemo);
  InputModel input_{"demo", model_};
  ImportanceMatrix importance_;
  std::deque<PlannedRecipe> recipes_;
};

TEST_F(BaselineSessions, MeasureVariantsOneAfterTheOtherAsTogether) {
  PlannedRecipe& norms = recipe("ffn_norm", "e4m3");
  PlannedRecipe& weights = recipe("ffn_up", "int4");
  SessionPart part{
      {{file_source(input_, {})}, {{"demo", 0}, {"norms", 0, &norms}, {"up", 0, &weights}}, true},
      {0, 1, 2},
      {1, kGroupBytes}};
  Session together(part, options(), kSilent);
  std::unique_ptr<BaselineSession> one_by_one = session();
  for (size_t text : {0, 1}) {
    const TokenizedText& read = one_by_one->texts()[text];
    ComparisonResult wanted =
        compare_variants({.variant = &together.variants()[0]}, together.variants().subspan(1),
                         {read.tokens, read.chunks}, kGroupBytes, [](const ComparisonStep&) {});
    for (size_t i : {0, 1, 0}) {
      PlannedRecipe* planned = i == 0 ? &norms : &weights;
      std::unique_ptr<SessionVariant> added = one_by_one->add({planned->name(), planned});
      VariantComparison found = compare(*one_by_one, added->variant(), text);
      added->check_restored();
      EXPECT_EQ(found.divergence.model().running(), wanted.variants[i].divergence.model().running());
      EXPECT_EQ(found.divergence.estimate().klds.quantiles,
                wanted.variants[i].divergence.estimate().klds.quantiles);
      EXPECT_EQ(added->report()->changed_bytes, together.reports()[1 + i]->changed_bytes);
    }
  }
}

TEST_F(BaselineSessions, AreAsBeforeWhenAVariantHasGone) {
  std::unique_ptr<BaselineSession> baseline = session();
  {
    std::unique_ptr<SessionVariant> added = baseline->add({"norms", &recipe("ffn_norm", "e4m3")});
    EXPECT_GT(kld(*baseline, added->variant()), 0);
  }
  EXPECT_EQ(kld(*baseline, baseline->baseline()), 0);
}

TEST_F(BaselineSessions, NoticeAWeightThatIsNotRestored) {
  std::unique_ptr<BaselineSession> baseline = session();
  std::unique_ptr<SessionVariant> added = baseline->add({"norms", &recipe("ffn_norm", "e4m3")});
  added->check_restored();
  ActiveVariant active(added->variant());
  EXPECT_NE(error_of([&] { added->check_restored(); }).find("found other bytes in memory"),
            std::string::npos);
}

TEST_F(BaselineSessions, TakeModelsOfTheirOwn) {
  std::unique_ptr<BaselineSession> baseline = session();
  // The same file again is no different; a recipe's result that was loaded is what patching gives.
  std::unique_ptr<SessionVariant> file = baseline->add({.name = "again", .source = file_source(input_, {})});
  EXPECT_EQ(kld(*baseline, file->variant()), 0);
  EXPECT_NE(file->variant().running, baseline->baseline().running);
  EXPECT_TRUE(file->speed_subject().load);
  EXPECT_FALSE(file->report());
  PlannedRecipe& norms = recipe("ffn_norm", "e4m3");
  std::unique_ptr<SessionVariant> patched = baseline->add({"patched", &norms});
  std::unique_ptr<SessionVariant> loaded = baseline->add({"loaded", &norms, rounded_source(norms, {})});
  EXPECT_EQ(loaded->variant().patch, nullptr);
  EXPECT_TRUE(loaded->report()->tensors.empty());
  EXPECT_EQ(kld(*baseline, loaded->variant()), kld(*baseline, patched->variant()));
  EXPECT_FALSE(patched->speed_subject().load) << "it is only in memory";
}

TEST_F(BaselineSessions, TakeOtherCaches) {
  std::unique_ptr<BaselineSession> baseline = session();
  auto caches = [&](TensorType k, TensorType v) {
    return baseline->add({.name = "caches", .caches = CacheTypes{k, v}});
  };
  std::unique_ptr<SessionVariant> same = caches(TensorType::F16, TensorType::F16);
  EXPECT_NE(same->variant().running, baseline->baseline().running);
  EXPECT_EQ(same->variant().running->model.get(), baseline->baseline().running->model.get())
      << "the weights are the baseline's";
  EXPECT_EQ(kld(*baseline, same->variant()), 0);
  double of_q8 = kld(*baseline, caches(TensorType::Q8_0, TensorType::F16)->variant());
  double of_q4 = kld(*baseline, caches(TensorType::Q4_0, TensorType::F16)->variant());
  EXPECT_GT(of_q8, 0);
  EXPECT_GT(of_q4, 4 * of_q8);
  // What a patch adds to it is a patch of the same weights.
  PlannedRecipe& norms = recipe("ffn_norm", "e4m3");
  std::unique_ptr<SessionVariant> both =
      baseline->add({"both", &norms, std::nullopt, CacheTypes{TensorType::Q8_0, TensorType::F16}});
  EXPECT_GT(kld(*baseline, both->variant()), of_q8);
  EXPECT_EQ(kld(*baseline, baseline->baseline()), 0);
}

TEST_F(BaselineSessions, CachesHoldForTextsToo) {
  std::unique_ptr<BaselineSession> baseline = session();
  const std::vector<PromptRun> runs = {{"the state of", {0.8, 42}, 60}, {"a kind of", {0.8, 42}, 60}};
  std::unique_ptr<SessionVariant> same = baseline->add({.name = "same", .caches = CacheTypes{}});
  std::unique_ptr<SessionVariant> coarse =
      baseline->add({.name = "q4", .caches = CacheTypes{TensorType::Q4_0, TensorType::Q4_0}});
  BaselineTexts& texts = baseline->baseline_texts(runs, false, {});
  EXPECT_EQ(texts.compare(same->variant(), {}).totals().identical, 2U);
  EXPECT_LT(texts.compare(coarse->variant(), {}).totals().identical, 2U);
  EXPECT_EQ(&baseline->baseline_texts(runs, false, {}), &texts) << "made once";
  EXPECT_EQ(texts.compare(same->variant(), {}).totals().identical, 2U);
}

TEST_F(BaselineSessions, ShareTheMemoryOfLogitsAmongTexts) {
  SessionOptions all = options();
  std::unique_ptr<BaselineSession> kept = session(all);
  all.logits_bytes = kGroupBytes;
  std::unique_ptr<BaselineSession> in_stages = session(all);
  PlannedRecipe& norms = recipe("ffn_norm", "e4m3");
  std::unique_ptr<SessionVariant> a = kept->add({"norms", &norms});
  std::unique_ptr<SessionVariant> b = in_stages->add({"norms", &norms});
  for (size_t text : {0, 1, 0})
    EXPECT_EQ(kld(*kept, a->variant(), text), kld(*in_stages, b->variant(), text)) << text;
}

TEST_F(BaselineSessions, MeasureTheBaselineAlone) {
  std::unique_ptr<BaselineSession> baseline = session();
  ComparisonResult found = baseline->measure_baseline(1, [](const ComparisonStep&) {});
  EXPECT_TRUE(found.variants.empty());
  EXPECT_EQ(found.baseline.running(),
            compare(*baseline, baseline->baseline(), 1).divergence.baseline().running());
}

TEST_F(BaselineSessions, KeepToTheMemoryThatTheyAreAllowed) {
  SessionOptions limited = options();
  MemoryNeeds needs = memory_needs(file_source(input_, {}), limited.decode);
  PlannedRecipe& all = recipe("matrices", "e4m3");
  VisitingNeeds patch = needs_of({"patch", &all}, file_source(input_, {}), limited.decode);
  EXPECT_EQ(patch.weights, all.most_changed_bytes());
  EXPECT_EQ(patch.decoder, 0U);
  limited.memory_bytes = needs.weights + needs.decoder + needs.group_logits;
  std::string error = error_of([&] {
    SessionOptions less = limited;
    --*less.memory_bytes;
    session(less);
  });
  EXPECT_EQ(error, error_of([&] {
              SessionOptions less = limited;
              --*less.memory_bytes;
              check_memory(file_source(input_, {}), texts(), less);
            }));
  EXPECT_EQ(error.find("demo: needs "), 0U) << error;
  std::unique_ptr<BaselineSession> alone = session(limited);
  error = error_of([&] { alone->add({"patch", &all}); });
  EXPECT_EQ(error.find("patch: needs "), 0U) << error;
  EXPECT_NE(error.find("-c 32 -b 64"), std::string::npos) << error;
  EXPECT_EQ(kld(*alone, alone->baseline()), 0) << "the session is as it was";
  // What is set aside is there.
  limited.visiting_bytes = patch.least();
  *limited.memory_bytes += patch.least();
  std::unique_ptr<BaselineSession> with_room = session(limited);
  EXPECT_GT(kld(*with_room, with_room->add({"patch", &all})->variant()), 0);
}

TEST_F(BaselineSessions, CountWhatVisitorsNeed) {
  SessionOptions all = options();
  MemoryNeeds needs = memory_needs(file_source(input_, {}), all.decode);
  ModelSource source = file_source(input_, {});
  VisitingNeeds file = needs_of({.name = "file", .source = source}, source, all.decode);
  EXPECT_EQ(file.weights, needs.weights);
  EXPECT_EQ(file.decoder, needs.decoder);
  VisitingNeeds caches =
      needs_of({.name = "q8", .caches = CacheTypes{TensorType::Q8_0, TensorType::Q8_0}}, source, all.decode);
  EXPECT_EQ(caches.weights, 0U);
  EXPECT_LT(caches.decoder, needs.decoder);
  EXPECT_GT(caches.decoder, needs.decoder / 4);
  VariantRequest request{.name = "file", .source = source};
  EXPECT_EQ(visiting_decoders(request, file, 4, all, std::nullopt), 4U);
  EXPECT_EQ(visiting_decoders(request, {1000, 100}, 4, all, 1100), 1U);
  EXPECT_EQ(visiting_decoders(request, {1000, 100}, 4, all, 1100 + 400), 4U);
  EXPECT_EQ(visiting_decoders(request, {1000, 100}, 4, all, 1100 + 399), 3U) << "three quarters of the rest";
  EXPECT_THROW(visiting_decoders(request, {1000, 100}, 4, all, 1099), Error);
}

}  // namespace
}  // namespace fakequant
