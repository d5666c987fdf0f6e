#include "report/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report/finding_kinds.h"

namespace fakequant::report {
namespace {

constexpr FindingKind kKinds[] = {
    {"unfinished", Severity::problem, "measurements are missing", find_unfinished},
    {"stopped", Severity::problem, "a criterion ended the run", find_stopped},
    {"cost", Severity::answer, "perplexity, divergence and flips of variants", find_cost},
    {"best", Severity::answer, "fewest bits within noise", find_best},
    {"frontier", Severity::answer, "variants that none beats in size and divergence", find_frontier},
    {"changed", Severity::answer, "variants that changed values and were measured on no text", find_changed},
    {"nothing_changed", Severity::answer, "variants that changed no value, and why", find_nothing_changed},
    {"texts", Severity::answer, "how many generated texts stay the same", find_texts},
    {"criteria_passed", Severity::answer, "criteria that hold", find_criteria_passed},
    {"criteria_failed", Severity::problem, "criteria that do not hold", find_criteria_failed},
    {"failures", Severity::problem, "measurements that could not be made", find_failures},
    {"nonfinite", Severity::problem, "NaN and Inf", find_nonfinite},
    {"unchanged_but_different", Severity::problem, "no value changed and results differ",
     find_unchanged_but_different},
    {"changed_but_same", Severity::caution, "values changed and results do not differ",
     find_changed_but_same},
    {"unused", Severity::caution, "tensors that the model does not use", find_unused},
    {"better", Severity::caution, "perplexity better than the baseline's beyond noise", find_better},
    {"saturated", Severity::caution, "infinities that became the largest value", find_saturated},
    {"store_errors", Severity::caution, "stored types that cannot hold the values", find_store_errors},
    {"unfit_tensors", Severity::caution, "tensors that do not fit their format", find_unfit_tensors},
    {"few_chunks", Severity::caution, "too few chunks for errors over chunks", find_few_chunks},
    {"control_beyond_noise", Severity::caution, "a control that is no measure of noise",
     find_control_beyond_noise},
    {"control_as_large", Severity::caution, "variants that differ no more than the control",
     find_control_as_large},
    {"speed_differences", Severity::caution, "times that differ where no kernel does",
     find_speed_differences},
    {"versions", Severity::caution, "results of several versions or machines", find_versions},
    {"warnings", Severity::caution, "warnings of the run", find_warnings},
    {"criteria_open", Severity::note, "criteria without a verdict", find_criteria_open},
    {"partly_unchanged", Severity::note, "tensors that did not change among others that did",
     find_partly_unchanged},
    {"left_out", Severity::note, "stages left out, and the number that decided", find_left_out},
    {"ran", Severity::note, "stages that ran, and the number that decided", find_ran},
    {"impossible", Severity::note, "variants that this model cannot have", find_impossible},
};

// Of one kind there are as many sentences as a person reads; the last tells of the rest and rests on all of its lines.
void shorten(std::vector<Finding>& found) {
  constexpr size_t kMost = 10, kShown = 8;
  if (found.size() <= kMost) return;
  Finding rest = found.back();
  rest.text = fmt::format("And {} more like these; the tables have them all.", found.size() - kShown);
  rest.lines.clear();
  for (size_t i = kShown; i < found.size(); ++i) {
    rest.lines.insert(rest.lines.end(), found[i].lines.begin(), found[i].lines.end());
  }
  std::sort(rest.lines.begin(), rest.lines.end());
  rest.lines.erase(std::unique(rest.lines.begin(), rest.lines.end()), rest.lines.end());
  found.resize(kShown);
  found.push_back(std::move(rest));
}

}  // namespace

void FindingList::add(std::string text, std::vector<size_t> lines) {
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  if (!lines.empty() && lines.front() == 0) lines.erase(lines.begin());
  findings_.push_back({kind_, severity_, std::move(text), std::move(lines)});
}

std::span<const FindingKind> finding_kinds() {
  return kKinds;
}

std::vector<Finding> find_all(const RunReport& report) {
  std::vector<Finding> findings;
  for (const FindingKind& kind : kKinds) {
    std::vector<Finding> found;
    FindingList list(kind.name, kind.severity, found);
    kind.find(report, list);
    shorten(found);
    findings.insert(findings.end(), found.begin(), found.end());
  }
  return findings;
}

const char* word_of(Severity severity) {
  switch (severity) {
    case Severity::answer:
      return "answer";
    case Severity::note:
      return "note";
    case Severity::caution:
      return "caution";
    case Severity::problem:
      return "problem";
  }
  return "";
}

}  // namespace fakequant::report
