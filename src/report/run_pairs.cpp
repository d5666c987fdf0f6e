#include "report/run_pairs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace fakequant::report {
namespace {

using ChunkNumber = std::optional<double> ChunkMeasures::*;

// A name in a run and what it stands for, to be compared with that of the other run.
using Facts = std::vector<std::pair<std::string, std::string>>;

Facts facts_of(const RunReport& report) {
  Facts facts{{"fakequant", report.program}, {"llama.cpp", report.llama_cpp}};
  for (const ReportModel& model : report.models) facts.emplace_back("the model " + model.name, model.hash);
  for (const ReportText& text : report.texts) facts.emplace_back("the text " + text.name, text.hash);
  for (const Setting& setting : report.settings) facts.emplace_back(setting.name, setting.value);
  if (!report.sessions.empty()) facts.emplace_back("processor", report.sessions.back().processor);
  return facts;
}

// A value that the other run does not have is "-".
std::vector<Fact> differing_facts(const RunReport& a, const RunReport& b) {
  Facts facts_a = facts_of(a), facts_b = facts_of(b);
  std::map<std::string, std::string> of_b(facts_b.begin(), facts_b.end());
  std::map<std::string, std::string> of_a(facts_a.begin(), facts_a.end());
  std::vector<Fact> result;
  for (const auto& [name, value] : facts_a) {
    auto other = of_b.find(name);
    if (other == of_b.end() || other->second != value)
      result.push_back({name, value, other == of_b.end() ? "-" : other->second});
  }
  for (const auto& [name, value] : facts_b) {
    if (!of_a.contains(name)) result.push_back({name, "-", value});
  }
  return result;
}

// The variant of `report` that is `wanted` of `other`: same name and, where there are several models, same model.
const ReportVariant* find_variant(const RunReport& report, const ReportVariant& wanted,
                                  const RunReport& other) {
  for (const ReportVariant& variant : report.variants) {
    if (variant.is_control != wanted.is_control) continue;
    bool same_model = std::min(report.models.size(), other.models.size()) < 2 ||
                      report.models[variant.model].name == other.models[wanted.model].name;
    bool same_name = variant.is_control || variant.name == wanted.name;
    if (same_name && same_model) return &variant;
  }
  return nullptr;
}

void add_pair(const RunReport& a, const RunReport& b, const VariantPair& pair, RunPairs& pairs) {
  ++pairs.variant_count;
  if (pair.a->difference && pair.b->difference) pairs.weights.push_back({&a, pair});
  for (const DivergenceResult& result : pair.a->divergences) {
    for (const DivergenceResult& other : pair.b->divergences) {
      // Of runs on one text each, whatever it is: what differs between the texts is told beside.
      bool one_each = a.texts.size() == 1 && b.texts.size() == 1;
      if (!one_each && a.texts[result.text].name != b.texts[other.text].name) continue;
      pairs.results.push_back({&a, &b, pair, &result, &other});
      break;
    }
  }
}

std::vector<BaselinePair> match_baselines(const RunReport& a, const RunReport& b) {
  std::vector<BaselinePair> baselines;
  for (const PerplexityResult& result : a.baselines) {
    for (const PerplexityResult& other : b.baselines) {
      const std::string& model = a.models[result.model].name;
      const std::string& text = a.texts[result.text].name;
      if (model != b.models[other.model].name || text != b.texts[other.text].name) continue;
      baselines.push_back({model, text, &result, &other});
      break;
    }
  }
  return baselines;
}

// Whether chunk i of one is chunk i of the other, of one model.
bool same_chunks(const ResultPair& pair) {
  const ReportModel& model_a = pair.report_a->models[pair.variant.a->model];
  const ReportModel& model_b = pair.report_b->models[pair.variant.b->model];
  const ReportText& text_a = pair.report_a->texts[pair.a->text];
  const ReportText& text_b = pair.report_b->texts[pair.b->text];
  return !model_a.hash.empty() && model_a.hash == model_b.hash && !text_a.hash.empty() &&
         text_a.hash == text_b.hash && pair.a->chunks == pair.b->chunks &&
         pair.a->scored_tokens == pair.b->scored_tokens &&
         pair.a->per_chunk.size() == pair.b->per_chunk.size();
}

// B - A of each chunk; none where a chunk has no number.
std::vector<double> chunk_differences(const ResultPair& pair, ChunkNumber number) {
  std::vector<double> differences;
  for (size_t i = 0; i < pair.a->per_chunk.size(); ++i) {
    const std::optional<double>& a = pair.a->per_chunk[i].*number;
    const std::optional<double>& b = pair.b->per_chunk[i].*number;
    if (!a || !b) return {};
    differences.push_back(*b - *a);
  }
  return differences;
}

// Of the mean of numbers that have one weight: what the jackknife over them gives.
double error_of_mean(const std::vector<double>& numbers) {
  auto count = static_cast<double>(numbers.size());
  double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count, squares = 0;
  for (double number : numbers) squares += (number - mean) * (number - mean);
  return std::sqrt(squares / (count * (count - 1)));
}

std::optional<Distance> distance_of(const ResultPair& pair, Estimate DivergenceResult::*estimate,
                                    ChunkNumber number) {
  constexpr size_t kFewestChunks = 8;  // as of every error over chunks
  const Estimate& a = pair.a->*estimate;
  const Estimate& b = pair.b->*estimate;
  if (!a.value || !b.value) return std::nullopt;
  double distance = std::abs(*a.value - *b.value);
  std::vector<double> differences;
  if (same_chunks(pair)) differences = chunk_differences(pair, number);
  bool paired = differences.size() >= kFewestChunks;
  if (distance == 0) return Distance{.errors = 0, .paired = paired};
  std::optional<double> error_a = a.error(), error_b = b.error();
  if (!paired && !(error_a && error_b)) return std::nullopt;
  double error = paired ? error_of_mean(differences) : std::hypot(*error_a, *error_b);
  if (error == 0) return std::nullopt;
  return Distance{.errors = distance / error, .paired = paired};
}

}  // namespace

bool ResultPair::identical() const {
  return a->ln_ppl_ratio.value == b->ln_ppl_ratio.value && a->kld_mean.value == b->kld_mean.value &&
         a->perplexity.value == b->perplexity.value && a->flips == b->flips;
}

std::optional<Distance> ResultPair::ratios_apart() const {
  return distance_of(*this, &DivergenceResult::ln_ppl_ratio, &ChunkMeasures::ln_ppl_ratio);
}

std::optional<Distance> ResultPair::divergences_apart() const {
  return distance_of(*this, &DivergenceResult::kld_mean, &ChunkMeasures::kld_mean);
}

std::optional<Distance> ResultPair::apart() const {
  std::optional<Distance> ratios = ratios_apart(), divergences = divergences_apart();
  if (!ratios || !divergences) return ratios ? ratios : divergences;
  return ratios->errors >= divergences->errors ? ratios : divergences;
}

RunPairs match_runs(const RunReport& a, const RunReport& b) {
  RunPairs pairs;
  for (const ReportVariant& variant : a.variants) {
    const ReportVariant* other = find_variant(b, variant, a);
    if (other == nullptr) {
      pairs.only.push_back({&a, &variant, "A"});
    } else {
      add_pair(a, b, {&variant, other}, pairs);
    }
  }
  for (const ReportVariant& variant : b.variants) {
    if (find_variant(a, variant, b) == nullptr) pairs.only.push_back({&b, &variant, "B"});
  }
  pairs.baselines = match_baselines(a, b);
  pairs.facts = differing_facts(a, b);
  return pairs;
}

}  // namespace fakequant::report
