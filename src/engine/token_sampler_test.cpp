#include "engine/token_sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace fakequant {
namespace {

const LoadedModel& demo() {
  static const LoadedModel model = LoadedModel::load(
      {std::string(FAKEQUANT_SOURCE_DIR) + "/data/demo-4.6m-f16.gguf"}, {}, LoadedModel::Weights::planned);
  return model;
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> result;
  for (double p : probabilities) result.push_back(static_cast<float>(std::log(p)));
  return result;
}

// How often each token is picked.
std::map<int32_t, int> picks(const std::vector<double>& probabilities, double temperature, int count) {
  TokenSampler sampler(demo(), {temperature, 7});
  std::vector<float> logits = logits_of(probabilities);
  std::map<int32_t, int> result;
  for (int i = 0; i < count; ++i) ++result[sampler.pick(logits)];
  return result;
}

TEST(TokenSampler, TemperatureZeroTakesTheMostLikelyToken) {
  EXPECT_EQ(picks({0.2, 0.25, 0.3, 0.25}, 0, 50), (std::map<int32_t, int>{{2, 50}}));
}

TEST(TokenSampler, DrawsInProportion) {
  constexpr int kCount = 4000;
  std::map<int32_t, int> found = picks({0.2, 0.5, 0.3}, 1, kCount);
  std::vector<double> wanted = {0.2, 0.5, 0.3};
  for (int32_t token = 0; token < 3; ++token) {
    double p = wanted[static_cast<size_t>(token)];
    EXPECT_NEAR(found[token], p * kCount, 5 * std::sqrt(kCount * p * (1 - p))) << token;
  }
}

TEST(TokenSampler, ALowTemperatureSharpens) {
  // Odds of 0.6 to 0.4 become (0.6 / 0.4)^10, about 58 to 1.
  std::map<int32_t, int> found = picks({0.6, 0.4}, 0.1, 2000);
  EXPECT_NEAR(found[1], 2000 / 58.7, 5 * std::sqrt(2000 / 58.7));
}

TEST(TokenSampler, KeepsFortyTokens) {
  std::vector<double> flat(60);
  for (size_t i = 0; i < flat.size(); ++i) flat[i] = 1.0 + 1e-3 * static_cast<double>(i);
  std::map<int32_t, int> found = picks(flat, 1, 3000);
  // 95 % of what the forty most likely have: 38 or 39 of them.
  EXPECT_GE(found.size(), 38U);
  EXPECT_LE(found.size(), 39U);
  EXPECT_GE(found.begin()->first, 20);
}

TEST(TokenSampler, LeavesOutTheLastTwentieth) {
  std::map<int32_t, int> found = picks({0.48, 0.4799, 0.0401}, 1, 3000);
  EXPECT_EQ(found.size(), 2U) << "top-p 0.95";
  EXPECT_EQ(picks({0.47, 0.46, 0.07}, 1, 3000).size(), 3U);
}

TEST(TokenSampler, LeavesOutWhatIsLessThanATwentiethOfTheMostLikely) {
  // A twentieth of 0.5 is 0.025. Top-p alone would leave 17 of these.
  std::vector<double> probabilities = {0.5};
  probabilities.insert(probabilities.end(), 13, 0.028);
  probabilities.insert(probabilities.end(), 5, 0.0243);
  EXPECT_EQ(picks(probabilities, 1, 5000).size(), 14U);
}

TEST(TokenSampler, IsTheSameForASeed) {
  std::vector<float> logits = logits_of({0.25, 0.25, 0.25, 0.25});
  auto draw = [&](uint32_t seed) {
    TokenSampler sampler(demo(), {0.8, seed});
    std::vector<int32_t> result(40);
    for (int32_t& token : result) token = sampler.pick(logits);
    return result;
  };
  EXPECT_EQ(draw(42), draw(42));
  EXPECT_NE(draw(42), draw(123));
  EXPECT_EQ(draw(kMaxSeed), draw(kMaxSeed)) << "not a random seed";
}

}  // namespace
}  // namespace fakequant
