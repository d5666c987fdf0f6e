#include "report/run_comparison.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "report/comparison_tables.h"
#include "report/figures.h"
#include "report/judgement.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

const char* verdict_of(const RunReport& report, const ReportVariant& variant,
                       const DivergenceResult& result) {
  return word_of(judge(result, control_of(report, variant, result)));
}

// "layers 0-2 on wiki.txt"
std::string words_of(const ResultPair& pair) {
  const RunReport& report = *pair.report_a;
  std::string where = report.texts.size() > 1 ? " on " + report.texts[pair.a->text].name : "";
  return report.label(*pair.variant.a) + where;
}

// Where it is read, a comparison says which run is A and which is B, so sentences use the letters.
class Sentences {
 public:
  explicit Sentences(const RunPairs& pairs) : pairs_(pairs) {}

  std::vector<Finding> all() {
    add_results();
    add_verdicts();
    add_weights();
    add_only();
    add_facts();
    return std::move(findings_);
  }

 private:
  void add(const char* kind, Severity severity, std::string text) {
    findings_.push_back({kind, severity, std::move(text), {}});
  }

  void add_results() {
    size_t count = pairs_.results.size();
    if (count == 0) {
      add("no_results", Severity::caution,
          "The runs have no result in common: no variant of one name was measured on a text of one name.");
      return;
    }
    size_t different = 0, apart = 0, unpaired = 0;
    const ResultPair* farthest = nullptr;
    for (const ResultPair& pair : pairs_.results) {
      if (!pair.identical()) ++different;
      std::optional<Distance> distance = pair.apart();
      if (!distance) continue;
      if (distance->errors > kErrorsThatCount) ++apart;
      if (!distance->paired && !pair.identical()) ++unpaired;
      if (farthest == nullptr || distance->errors > farthest->apart()->errors) farthest = &pair;
    }
    if (different == 0) {
      add("identical", Severity::answer,
          fmt::format("{} that the runs have in common {} identical to the last digit.",
                      count == 1 ? "The one result" : fmt::format("All {} results", format_count(count)),
                      for_count(count, "is", "are")));
      return;
    }
    std::string text = fmt::format("{} of {} in common {}, {} beyond noise", format_count(different),
                                   counted(count, "result"), for_count(different, "differs", "differ"),
                                   apart == 0 ? "none" : format_count(apart));
    if (farthest != nullptr && farthest->apart()->errors > 0) {
      text += fmt::format(": the farthest apart is {}, by {:.1f} standard errors of the difference",
                          words_of(*farthest), farthest->apart()->errors);
    }
    if (unpaired > 0) {
      text += fmt::format(
          ". For {} the errors are those of unpaired runs, too wide where the text is the same: pairing "
          "needs "
          "eight chunks, the same in both runs, and per_chunk = true in their [measure]",
          unpaired == different ? "these" : format_count(unpaired));
    }
    text += ".";
    add("results_differ", Severity::answer, std::move(text));
  }

  void add_verdicts() {
    std::vector<std::string> names;
    for (const ResultPair& pair : pairs_.results) {
      std::string a = verdict_of(*pair.report_a, *pair.variant.a, *pair.a);
      std::string b = verdict_of(*pair.report_b, *pair.variant.b, *pair.b);
      if (a != b) names.push_back(fmt::format("{} ({} in A, {} in B)", words_of(pair), a, b));
    }
    if (!names.empty())
      add("verdicts_differ", Severity::answer, fmt::format("Another verdict: {}.", list_of(names)));
  }

  void add_weights() {
    std::vector<std::string> names;
    for (const WeightPair& pair : pairs_.weights) {
      bool same = pair.a().changed_count == pair.b().changed_count &&
                  pair.a().mean_rel == pair.b().mean_rel && pair.a().max_abs == pair.b().max_abs;
      if (!same) names.push_back(pair.report->label(*pair.variant.a));
    }
    if (!names.empty())
      add("weights_differ", Severity::caution,
          fmt::format("Weights were changed differently in {}.", list_of(names)));
  }

  void add_only() {
    for (const char* run : {"A", "B"}) {
      std::vector<std::string> names;
      for (const Only& only : pairs_.only) {
        if (std::string_view(only.run) == run) names.push_back(only.report->label(*only.variant));
      }
      if (!names.empty()) add("only", Severity::note, fmt::format("Only in {}: {}.", run, list_of(names)));
    }
  }

  void add_facts() {
    if (pairs_.facts.empty()) {
      add("same_settings", Severity::note, "Settings, versions, models and texts are the same.");
      return;
    }
    std::vector<std::string> names;
    for (const Fact& fact : pairs_.facts) names.push_back(fact.name);
    add("settings_differ", Severity::caution,
        fmt::format("What the runs were made with differs in {}.", list_of(names)));
  }

  const RunPairs& pairs_;
  std::vector<Finding> findings_;
};

std::string name_of(const RunReport& report) {
  std::filesystem::path path(report.folder);
  std::string name = path.filename().string();
  return name.empty() || name == "." ? report.folder : name;
}

}  // namespace

RunComparison compare_runs(const RunReport& a, const RunReport& b) {
  RunPairs pairs = match_runs(a, b);
  RunComparison comparison{.a = name_of(a),
                           .b = name_of(b),
                           .findings = Sentences(pairs).all(),
                           .tables = comparison_tables(pairs)};
  if (comparison.a == comparison.b) {
    comparison.a = a.folder;
    comparison.b = b.folder;
  }
  return comparison;
}

}  // namespace fakequant::report
