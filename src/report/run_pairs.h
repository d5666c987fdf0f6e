#pragma once
// What two runs have in common, matched by name, and what only one has. Knows neither sentences nor tables.

#include <optional>
#include <string>
#include <vector>

#include "report/run_report.h"

namespace fakequant::report {

// A variant that both runs have.
struct VariantPair {
  const ReportVariant* a;
  const ReportVariant* b;
};

// How far apart two numbers are, in standard errors of their difference.
struct Distance {
  double errors = 0;
  // From the differences of each chunk: both runs measured the same chunks. Else the runs are taken as independent, which on the same text
  // makes the error too wide and the distance too small.
  bool paired = false;
};

// One result that both have.
struct ResultPair {
  const RunReport* report_a;
  const RunReport* report_b;
  VariantPair variant;
  const DivergenceResult* a;
  const DivergenceResult* b;

  // Whether every number that is compared is the same double.
  bool identical() const;
  // Distance of the two ln ratios, and of the two mean KL divergences. Paired where the contents of model and text, chunks and tokens are
  // the same in both and eight chunks or more were kept one by one. Nothing where an error or a value is not known, and where the error is
  // 0 and the numbers differ.
  std::optional<Distance> ratios_apart() const;
  std::optional<Distance> divergences_apart() const;
  // The larger of the two.
  std::optional<Distance> apart() const;
};

// Weights that both have changed.
struct WeightPair {
  const RunReport* report;
  VariantPair variant;

  const DifferenceMeasures& a() const { return variant.a->difference->total; }
  const DifferenceMeasures& b() const { return variant.b->difference->total; }
};

// Perplexity of a model alone that both have.
struct BaselinePair {
  std::string model, text;
  const PerplexityResult* a;
  const PerplexityResult* b;
};

// A fact that differs: "context", "512", "128".
struct Fact {
  std::string name, a, b;
};

// A variant that one run alone has.
struct Only {
  const RunReport* report;
  const ReportVariant* variant;
  const char* run;  // "A" or "B"
};

struct RunPairs {
  size_t variant_count = 0;  // that both have
  std::vector<ResultPair> results;
  std::vector<WeightPair> weights;
  std::vector<BaselinePair> baselines;
  std::vector<Only> only;   // first those of A
  std::vector<Fact> facts;  // settings, versions, contents and machines that differ
};

// Pointers are into `a` and `b`. Names that a run has twice are matched with the first.
RunPairs match_runs(const RunReport& a, const RunReport& b);

}  // namespace fakequant::report
