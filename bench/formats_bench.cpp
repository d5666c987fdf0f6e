// What every format of the catalog costs. Our own formats round in place, one thread, an array larger than the caches;
// each byte counts as read once and written once, and memcpy of the same array, timed alternately with the rounding, is
// the limit ("of memcpy": its median time over the format's, beside the share that we ask for). ggml's types go to their
// codes and back, once through engine/codec and once by calling ggml directly. "hash" is of the restored bits and must
// stay the same when a loop is made faster.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <ggml.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/codec.h"
#include "formats/catalog.h"
#include "formats/fake_quantize.h"
#include "formats/format_grammar.h"

namespace fakequant {
namespace {

constexpr int64_t kRowLength = 4096;
constexpr size_t kOwnRows = 4096;  // 64 MiB of floats
constexpr size_t kGgmlRows = 256;  // searching codes takes a microsecond per value in some types

// Made-up weights: normal, with a standard deviation that is usual in models.
const std::vector<float>& weights() {
  static const std::vector<float> values = [] {
    std::vector<float> made(kOwnRows * kRowLength);
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    for (float& value : made) value = normal(random);
    return made;
  }();
  return values;
}

// An importance matrix for the types that need one: every value counts the same.
std::span<const float> importance_for(TensorType type) {
  static const std::vector<float> ones(kRowLength, 1.0f);
  return needs_importance(type) ? std::span<const float>(ones) : std::span<const float>();
}

double hash_of(std::span<const float> values) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a over words
  for (float value : values) hash = (hash ^ std::bit_cast<uint32_t>(value)) * 0x100000001b3u;
  return static_cast<double>(hash >> 32);  // a double holds it exactly
}

// Bytes read and written.
void finish(benchmark::State& state, std::span<const float> restored) {
  state.SetBytesProcessed(2 * static_cast<int64_t>(restored.size_bytes()) * state.iterations());
  state.counters["hash"] = hash_of(restored);
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void memcpy_floats(benchmark::State& state) {
  std::vector<float> values(weights().size());
  for (auto _ : state) {
    std::memcpy(values.data(), weights().data(), values.size() * sizeof(float));
    benchmark::ClobberMemory();
  }
  finish(state, values);
}

void nothing(benchmark::State& state) {
  std::vector<float> values = weights();
  for (auto _ : state) {
    for (size_t row = 0; row < kOwnRows; ++row) benchmark::DoNotOptimize(values.data() + row * kRowLength);
    benchmark::ClobberMemory();
  }
  finish(state, values);
}

// Fresh values are copied in before each pass, which times memcpy under the same conditions.
void round_in_place(benchmark::State& state, const BlockFormat& format) {
  constexpr size_t kStep = 16 * kRowLength;
  std::vector<float> values(weights().size());
  TensorContext context{.range = scale_range(weights()), .random_key = 1, .first_value = 0};
  std::vector<double> copying;
  std::vector<double> rounding;
  for (auto _ : state) {
    state.PauseTiming();
    double start = processor_seconds();
    std::memcpy(values.data(), weights().data(), values.size() * sizeof(float));
    benchmark::ClobberMemory();
    double copied = processor_seconds();
    state.ResumeTiming();
    for (size_t first = 0; first < values.size(); first += kStep) {
      context.first_value = first;
      fake_quantize_rows(format, kRowLength, context, std::span(values).subspan(first, kStep));
    }
    benchmark::ClobberMemory();
    state.PauseTiming();
    copying.push_back(copied - start);
    rounding.push_back(processor_seconds() - copied);
    state.ResumeTiming();
  }
  finish(state, values);
  state.counters["of_memcpy"] = median(copying) / median(rounding);
}

std::span<const float> ggml_rows() {
  return std::span(weights()).first(kGgmlRows * kRowLength);
}

std::vector<std::byte> bytes_for(TensorType type, size_t value_count) {
  const TypeFacts& facts = facts_of(type);
  return std::vector<std::byte>(value_count / facts.block_values * facts.block_bytes);
}

void through_codec(benchmark::State& state, TensorType type) {
  std::vector<float> restored(ggml_rows().size());
  std::vector<std::byte> bytes = bytes_for(type, restored.size());
  for (auto _ : state) {
    encode(type, kRowLength, ggml_rows(), importance_for(type), bytes);
    decode(type, bytes, restored);
    benchmark::ClobberMemory();
  }
  finish(state, restored);
}

void through_ggml(benchmark::State& state, TensorType type) {
  std::vector<float> restored(ggml_rows().size());
  std::vector<std::byte> bytes = bytes_for(type, restored.size());
  auto ggml = static_cast<ggml_type>(type);
  const float* importance = importance_for(type).empty() ? nullptr : importance_for(type).data();
  for (auto _ : state) {
    ggml_quantize_chunk(ggml, ggml_rows().data(), bytes.data(), 0, kGgmlRows, kRowLength, importance);
    ggml_get_type_traits(ggml)->to_float(bytes.data(), restored.data(),
                                         static_cast<int64_t>(restored.size()));
    benchmark::ClobberMemory();
  }
  finish(state, restored);
}

// The catalog's formats, and the variants of them that run through other loops.
std::vector<Format> own_formats() {
  std::vector<Format> formats;
  for (const CatalogEntry& entry : catalog()) {
    if (!entry.format.is_ggml() && !entry.format.leaves_values()) formats.push_back(entry.format);
  }
  for (const char* variant : {"bf16:rtz",
                              "f16:rtz",
                              "f16:rna",
                              "e4m3:inf",
                              "e3m4:ieee",
                              "e5m7:finite",
                              "e3m0:finite",
                              "e8m3:ieee",
                              "e8m5:fnuz",
                              "e4m3:row",
                              "e4m3:group=128",
                              "int4:tensor",
                              "int4:group=32",
                              "int4:group=128:full",
                              "int4:group=32:asym",
                              "int8:group=32:scale_type=f16",
                              "mxfp4:scale=rceil",
                              "mxfp4:scale=even",
                              "mxfp8_e4m3:rtz",
                              "bf16:sr",
                              "e4m3:sr",
                              "int4:sr",
                              "mxfp4:sr",
                              "nvfp4:sr",
                              "nf4:sr"}) {
    formats.push_back(parse_format(variant));
  }
  return formats;
}

// The share of memcpy's bandwidth that we ask for.
double wanted_share(const BlockFormat& format) {
  if (format.rounding == Rounding::sr) return 0.3;
  bool named_scalar = !format.has_scale() && !catalog_name(format).empty();
  return named_scalar ? 0.8 : 0.5;
}

template <typename Body>
void add(const std::string& name, Body body) {
  auto best = [](const std::vector<double>& times) { return *std::min_element(times.begin(), times.end()); };
  benchmark::RegisterBenchmark(name.c_str(), body)
      ->MinTime(0.1)
      ->Repetitions(5)
      ->ComputeStatistics("best", best);
}

void add_all() {
  add("memcpy", memcpy_floats);
  add("nothing", nothing);
  for (const Format& format : own_formats()) {
    const auto& block = std::get<BlockFormat>(format.kind);
    add(format.name, [block](benchmark::State& state) {
      round_in_place(state, block);
      state.counters["wanted"] = wanted_share(block);
    });
  }
  for (const CatalogEntry& entry : catalog()) {
    const auto* type = std::get_if<TensorType>(&entry.format.kind);
    if (type == nullptr) continue;
    ggml_quantize_init(
        static_cast<ggml_type>(*type));  // its search tables, or the first to run would build them
    add(entry.name + "/codec", [type](benchmark::State& state) { through_codec(state, *type); });
    add(entry.name + "/ggml", [type](benchmark::State& state) { through_ggml(state, *type); });
  }
}

// One line for each contender: median and best CPU time of its repetitions, which other work on the machine
// disturbs least.
class MedianAndBest : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    PrintBasicContext(&GetErrorStream(), context);
    fmt::print("{:<46}{:>12}{:>12}{:>10}{:>12}  {}\n", "", "median us", "best us", "GB/s", "hash",
               "of memcpy");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs)
      override {  // called with the repetitions, then with what was made of them
    const Run* median = nullptr;
    const Run* best = nullptr;
    for (const Run& run : runs) {
      if (run.aggregate_name == "median") median = &run;
      if (run.aggregate_name == "best") best = &run;
    }
    if (median == nullptr || best == nullptr) return;
    fmt::print("{:<46}{:>12.1f}{:>12.1f}{:>10.3f}{:>12.0f}", median->run_name.function_name,
               median->GetAdjustedCPUTime() / 1e3, best->GetAdjustedCPUTime() / 1e3,
               median->counters.at("bytes_per_second").value / 1e9, median->counters.at("hash").value);
    auto share = median->counters.find("of_memcpy");
    if (share != median->counters.end()) {
      double wanted = median->counters.at("wanted").value;
      fmt::print("  {:.2f} (wanted {}{})", share->second.value, wanted,
                 share->second.value < wanted ? ", MISSED" : "");
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
};

}  // namespace
}  // namespace fakequant

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  fakequant::add_all();
  fakequant::MedianAndBest reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  benchmark::Shutdown();
}
