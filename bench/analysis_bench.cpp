// What the measures of analysis/ cost per value, beside memcpy and a pass that only reads. "hash" must stay
// the same when a loop is made faster.

#include <benchmark/benchmark.h>

#include <bit>
#include <cstring>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "analysis/code_counts.h"
#include "analysis/difference.h"
#include "analysis/histogram.h"
#include "analysis/value_facts.h"

namespace fakequant {
namespace {

constexpr size_t kCount = size_t{1} << 23;  // 32 MiB of floats

uint16_t f16_near(float value) {  // truncated: good enough for made-up weights
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int exponent = static_cast<int>((bits >> 23) & 0xffu) - 112;
  if (exponent <= 0) return static_cast<uint16_t>((bits >> 16) & 0x8000u);
  return static_cast<uint16_t>(((bits >> 16) & 0x8000u) | (static_cast<uint32_t>(exponent) << 10) |
                               ((bits >> 13) & 0x3ffu));
}

const std::vector<float>& weights() {
  static const std::vector<float> values = [] {
    std::vector<float> made(kCount);
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    for (float& value : made) value = normal(random);
    return made;
  }();
  return values;
}

std::vector<float> truncated(const std::vector<float>& values) {
  std::vector<float> result = values;
  for (float& value : result) value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & 0xffff0000u);
  return result;
}

const std::vector<uint16_t>& codes() {
  static const std::vector<uint16_t> made = [] {
    std::vector<uint16_t> result;
    for (const float value : weights()) result.push_back(f16_near(value));
    return result;
  }();
  return made;
}

void finish(benchmark::State& state, uint64_t values, uint64_t bytes, double hash) {
  const auto iterations = static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
  state.counters["ns_per_value"] =
      benchmark::Counter(iterations * static_cast<double>(values) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["hash"] = static_cast<double>(std::bit_cast<uint64_t>(hash) % 1000003);
}

void memcpy_floats(benchmark::State& state) {
  std::vector<float> target(kCount);
  for (auto _ : state) {
    std::memcpy(target.data(), weights().data(), kCount * sizeof(float));
    benchmark::ClobberMemory();
  }
  finish(state, kCount, kCount * sizeof(float), 0);
}

void sum_of_bits(benchmark::State& state) {  // does nothing but read
  uint32_t sum = 0;
  for (auto _ : state) {
    sum = 0;
    for (const float value : weights()) sum += std::bit_cast<uint32_t>(value);
    benchmark::DoNotOptimize(sum);
  }
  finish(state, kCount, kCount * sizeof(float), sum);
}

void difference_changed(benchmark::State& state) {
  const std::vector<float> restored = truncated(weights());
  Difference difference;
  for (auto _ : state) difference = measure_difference(weights(), restored);
  finish(state, kCount, 2 * kCount * sizeof(float), difference.sum_rel + difference.snr_db());
}

void difference_identical(benchmark::State& state) {
  Difference difference;
  const std::vector<float> same = weights();
  for (auto _ : state) difference = measure_difference(weights(), same);
  finish(state, kCount, 2 * kCount * sizeof(float), difference.sum_original_squared);
}

void statistics(benchmark::State& state) {
  ValueStatistics result;
  for (auto _ : state) {
    result = {};
    result.add(weights());
  }
  finish(state, kCount, kCount * sizeof(float), result.kurtosis());
}

void precision_needs(benchmark::State& state) {
  PrecisionNeeds needs;
  for (auto _ : state) {
    needs = {};
    needs.add(weights());
  }
  finish(state, kCount, kCount * sizeof(float), needs.lowest_bit_exponent);
}

void survey(benchmark::State& state) {
  const std::vector<float> values = state.range(0) == 0 ? weights() : truncated(weights());
  for (auto _ : state) {
    ValueSurvey gathered;
    gathered.add(values);
    benchmark::DoNotOptimize(gathered);
  }
  finish(state, kCount, kCount * sizeof(float), 0);
}

void code_counts(benchmark::State& state) {
  std::vector<uint16_t> input = codes();
  if (state.range(0) == 1) std::fill(input.begin(), input.end(), uint16_t{0x3c00});
  CodeCounts counts;
  for (auto _ : state) {
    counts.clear();
    counts.add(input);
  }
  finish(state, kCount, kCount * sizeof(uint16_t), counts.statistics(HalfType::f16).kurtosis());
}

void facts_from_codes(benchmark::State& state) {  // once per tensor, whatever its size
  CodeCounts counts;
  counts.add(codes());
  double hash = 0;
  for (auto _ : state) hash = facts_of_codes(counts, HalfType::f16).statistics.kurtosis();
  finish(state, 1, 0, hash);
}

void histogram(benchmark::State& state) {
  Histogram result;
  for (auto _ : state) result.add(weights());
  finish(state, kCount, kCount * sizeof(float), 0);
}

void histogram_of_differences(benchmark::State& state) {
  const std::vector<float> restored = truncated(weights());
  Histogram result;
  for (auto _ : state) result.add_abs_differences(weights(), restored);
  finish(state, kCount, 2 * kCount * sizeof(float), 0);
}

BENCHMARK(memcpy_floats);
BENCHMARK(sum_of_bits);
BENCHMARK(difference_changed);
BENCHMARK(difference_identical);
BENCHMARK(statistics);
BENCHMARK(precision_needs);
BENCHMARK(survey)->ArgName("bf16_in_fact")->Arg(0)->Arg(1);
BENCHMARK(code_counts)->ArgName("one_code")->Arg(0)->Arg(1);
BENCHMARK(facts_from_codes);
BENCHMARK(histogram);
BENCHMARK(histogram_of_differences);

}  // namespace
}  // namespace fakequant

BENCHMARK_MAIN();
