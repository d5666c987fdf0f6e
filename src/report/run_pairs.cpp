#include "report/run_pairs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace fakequant::report {
namespace {

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

}  // namespace

bool ResultPair::identical() const {
  return a->ln_ppl_ratio.value == b->ln_ppl_ratio.value && a->kld_mean.value == b->kld_mean.value &&
         a->perplexity.value == b->perplexity.value && a->flips == b->flips;
}

std::optional<double> ResultPair::errors_apart() const {
  std::optional<double> error_a = a->ln_ppl_ratio.error(), error_b = b->ln_ppl_ratio.error();
  if (!error_a || !error_b || !a->ln_ppl_ratio.value || !b->ln_ppl_ratio.value) return std::nullopt;
  double distance = std::abs(*a->ln_ppl_ratio.value - *b->ln_ppl_ratio.value);
  double error = std::hypot(*error_a, *error_b);
  if (error == 0) return distance == 0 ? std::optional(0.0) : std::nullopt;
  return distance / error;
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
