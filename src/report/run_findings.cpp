// How the run went: what is missing, what criteria and conditions decided, what failed.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "report/criterion_value.h"
#include "report/figures.h"
#include "report/finding_kinds.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

// "0.0312 in test 1 on wiki.txt"
std::string value_words(const RunReport& report, const std::string& value, std::optional<size_t> variant,
                        std::optional<size_t> text) {
  std::string words = value;
  if (variant) words += " in " + report.label(report.variants[*variant]);
  if (text && report.texts.size() > 1) words += " on " + report.texts[*text].name;
  return words;
}

// A text with one mark in place of each number.
std::string without_numbers(std::string_view text) {
  auto is_digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  // Whether the character at i goes on with a number: 1,200 and 0.25 and 8.6e-05.
  auto goes_on = [&](size_t i) {
    if (is_digit(i) || i >= text.size()) return i < text.size();
    if (text[i] == '.' || text[i] == ',' || text[i] == '-' || text[i] == '+') return is_digit(i + 1);
    return text[i] == 'e' && (text.substr(i + 1, 1) == "-" || text.substr(i + 1, 1) == "+") &&
           is_digit(i + 2);
  };
  std::string shape;
  for (size_t i = 0; i < text.size(); ++i) {
    shape += is_digit(i) ? '#' : text[i];
    if (!is_digit(i)) continue;
    while (goes_on(i + 1)) ++i;
  }
  return shape;
}

std::string in_stage(const RunReport& report, const std::string& stage) {
  return stage.empty() || report.stages.size() < 2 ? "" : fmt::format(" ({})", stage);
}

// Conditions of a decision that hold (or do not), with the numbers that decided.
struct Reasons {
  std::vector<std::string> words;
  std::vector<size_t> lines;
};

Reasons reasons_of(const RunReport& report, const ReportDecision& decision, bool holds) {
  Reasons result;
  result.lines.push_back(decision.line);
  for (const DecisionReason& reason : decision.reasons) {
    if (reason.holds != holds) continue;
    result.words.push_back(fmt::format(
        "{} {} ({})", reason.check, holds ? "holds" : "does not hold",
        value_words(report, value_text(reason.check, reason.worst), reason.variant, std::nullopt)));
    result.lines.push_back(reason.line);
  }
  return result;
}

void add_decisions(const RunReport& report, Action action, const char* sentence, FindingList& list) {
  for (const ReportDecision& decision : report.decisions) {
    if (decision.action != action) continue;
    Reasons reasons = reasons_of(report, decision, action == Action::run);
    std::string because = reasons.words.empty() ? "" : ": " + join(reasons.words, "; ");
    list.add(fmt::format("Stage {} {}{}.", decision.stage, sentence, because), std::move(reasons.lines));
  }
}

std::string subject_of(const RunReport& report, const ReportMeasurement& measurement) {
  std::string subject = measurement.kind;
  if (measurement.variant) {
    subject += " of " + report.label(report.variants[*measurement.variant]);
  } else if (measurement.model) {
    subject += " of " + report.models[*measurement.model].name;
  }
  if (measurement.text) subject += " on " + report.texts[*measurement.text].name;
  return subject;
}

// How a session ended whose run is not finished: " (stopped: the time limit was reached)".
std::string state_words(const ReportSession& session) {
  if (session.outcome.empty()) return " (it was killed, or is still running)";
  if (session.outcome == "done") return "";
  return session.text.empty() ? fmt::format(" ({})", session.outcome)
                              : fmt::format(" ({}: {})", session.outcome, session.text);
}

}  // namespace

void find_unfinished(const RunReport& report, FindingList& list) {
  size_t missing = 0;
  for (const ReportMeasurement& measurement : report.measurements) {
    if (measurement.state == MeasurementState::missing) ++missing;
  }
  if (missing == 0) return;
  std::string state = report.sessions.empty() ? "" : state_words(report.sessions.back());
  list.add(fmt::format("This run is not finished{}: {} of {} measurements {} missing. fakequant run with "
                       "the same folder makes them.",
                       state, format_count(missing), format_count(report.measurements.size()),
                       for_count(missing, "is", "are")),
           {});
}

void find_stopped(const RunReport& report, FindingList& list) {
  size_t left_out = 0;
  for (const ReportMeasurement& measurement : report.measurements) {
    if (measurement.state == MeasurementState::left_out) ++left_out;
  }
  for (const ReportDecision& decision : report.decisions) {
    if (decision.action != Action::stop) continue;
    Reasons reasons = reasons_of(report, decision, false);
    std::string because = reasons.words.empty() ? "" : ": " + join(reasons.words, "; ");
    list.add(fmt::format("The run stopped early, in stage {}{}. {} {} left out.", decision.stage, because,
                         counted(left_out, "measurement"), for_count(left_out, "was", "were")),
             std::move(reasons.lines));
  }
}

void find_criteria_passed(const RunReport& report, FindingList& list) {
  std::set<std::string> decided, failed, stages;
  std::vector<size_t> lines;
  for (const ReportCriterion& criterion : report.criteria) {
    if (criterion.outcome != Outcome::pass && criterion.outcome != Outcome::fail) continue;
    decided.insert(criterion.name);
    stages.insert(criterion.stage);
    if (criterion.outcome == Outcome::fail) failed.insert(criterion.name);
    lines.push_back(criterion.line);
  }
  size_t passed = decided.size() - failed.size();
  if (passed == 0) return;
  constexpr size_t kMostLines = 8;
  if (lines.size() > kMostLines) lines.clear();  // the table has them
  std::string where = stages.size() < 2    ? ""
                      : stages.size() == 2 ? " in both stages"
                                           : fmt::format(" in all {} stages", stages.size());
  std::string count;
  if (failed.empty()) {
    count = passed == 1 ? "The one criterion passes" : fmt::format("All {} criteria pass", passed);
  } else {
    count = fmt::format("{} of {} criteria {}", passed, decided.size(), for_count(passed, "passes", "pass"));
  }
  list.add(fmt::format("{}{}.", count, where), std::move(lines));
}

void find_criteria_failed(const RunReport& report, FindingList& list) {
  for (const ReportCriterion& criterion : report.criteria) {
    if (criterion.outcome != Outcome::fail) continue;
    size_t failing = 0;
    for (const CriterionValue& value : criterion.values) {
      if (value.value && !passes(criterion.check, *value.value)) ++failing;
    }
    std::optional<CriterionValue> worst = worst_value(criterion);
    std::string found = "nothing was measured";
    if (worst) {
      found = "found " +
              value_words(report, value_text(criterion.check, worst->value), worst->variant, worst->text);
      if (criterion.values.size() > 1)
        found +=
            fmt::format(", the worst of {} that fail; {} were measured", failing, criterion.values.size());
    }
    list.add(fmt::format("Fails{}: {}. Wanted {}, {}.", in_stage(report, criterion.stage), criterion.name,
                         criterion.check, found),
             {criterion.line, worst ? worst->line : 0});
  }
}

void find_criteria_open(const RunReport& report, FindingList& list) {
  std::vector<std::string> judged, unmeasured;
  std::set<std::string> known;
  std::vector<size_t> judged_lines, unmeasured_lines;
  for (const ReportCriterion& criterion : report.criteria) {
    bool is_judged = criterion.outcome == Outcome::judged;
    if (!is_judged && criterion.outcome != Outcome::unmeasured) continue;
    (is_judged ? judged_lines : unmeasured_lines).push_back(criterion.line);
    std::string name = is_judged ? criterion.name : criterion.name + in_stage(report, criterion.stage);
    if (known.insert(name).second) (is_judged ? judged : unmeasured).push_back(name);
  }
  if (!judged.empty()) list.add(fmt::format("For a person to judge: {}.", join(judged, "; ")), judged_lines);
  if (!unmeasured.empty())
    list.add(fmt::format("Not measured, so neither passed nor failed: {}.", join(unmeasured, "; ")),
             unmeasured_lines);
}

void find_failures(const RunReport& report, FindingList& list) {
  // Many of one reason are one finding.
  std::map<std::string, std::pair<std::vector<std::string>, std::vector<size_t>>> by_reason;
  std::vector<std::string> order;
  for (const ReportMeasurement& measurement : report.measurements) {
    if (measurement.state != MeasurementState::failed) continue;
    auto& [subjects, lines] = by_reason[measurement.failure];
    if (subjects.empty()) order.push_back(measurement.failure);
    subjects.push_back(subject_of(report, measurement));
    lines.push_back(measurement.line);
  }
  for (const std::string& reason : order) {
    auto& [subjects, lines] = by_reason[reason];
    list.add(fmt::format("Could not be measured: {}. {}{}", list_of(subjects), reason,
                         reason.ends_with('.') ? "" : "."),
             lines);
  }
}

void find_left_out(const RunReport& report, FindingList& list) {
  add_decisions(report, Action::skip, "was left out", list);
}

void find_ran(const RunReport& report, FindingList& list) {
  add_decisions(report, Action::run, "ran", list);
}

void find_impossible(const RunReport& report, FindingList& list) {
  for (const ReportVariant& variant : report.variants) {
    if (variant.skipped_because.empty()) continue;
    list.add(fmt::format("{} was left out: {}.", report.label(variant), variant.skipped_because),
             {report.experiment_line});
  }
}

void find_warnings(const RunReport& report, FindingList& list) {
  // Warnings that differ in nothing but numbers are one sentence, with those who have it.
  struct Group {
    const ReportWarning* first;
    std::vector<std::string> subjects;
    std::vector<size_t> lines;
  };
  std::vector<std::pair<std::string, Group>> groups;
  for (const ReportWarning& warning : report.warnings) {
    // Told by the numbers already, of all variants at once (find_store_errors).
    if (warning.variant && report.variants[*warning.variant].difference &&
        warning.text.starts_with("storing changed "))
      continue;
    std::string shape = without_numbers(warning.text);
    auto group =
        std::find_if(groups.begin(), groups.end(), [&](const auto& other) { return other.first == shape; });
    if (group == groups.end()) group = groups.insert(groups.end(), {shape, {&warning, {}, {}}});
    if (warning.variant) group->second.subjects.push_back(report.label(report.variants[*warning.variant]));
    group->second.lines.push_back(warning.line);
  }
  for (auto& [shape, group] : groups) {
    const std::vector<std::string>& subjects = group.subjects;
    std::string text = subjects.empty() ? "" : subjects[0] + ": ";
    text += group.first->text;
    if (!text.ends_with('.')) text += ".";
    if (subjects.size() > 1) {
      text += fmt::format(" With other numbers also: {}.", list_of({subjects.begin() + 1, subjects.end()}));
    }
    list.add(text, group.lines);
  }
}

void find_versions(const RunReport& report, FindingList& list) {
  std::set<std::string> programs, libraries, machines;
  for (const ReportSession& session : report.sessions) {
    if (!session.program.empty()) programs.insert(session.program);
    if (!session.llama_cpp.empty()) libraries.insert(session.llama_cpp);
    if (!session.processor.empty()) machines.insert(session.processor);
  }
  auto add = [&](const char* what, const std::set<std::string>& names, const char* meaning) {
    if (names.size() < 2) return;
    list.add(fmt::format("The run was made in parts with several {}: {}. {}", what,
                         list_of({names.begin(), names.end()}), meaning),
             {});
  };
  constexpr const char* kMeasuredAgain = "What another version measured was measured again.";
  add("versions of fakequant", programs, kMeasuredAgain);
  add("versions of llama.cpp", libraries, kMeasuredAgain);
  add("processors", machines, "Digits may differ between them, speeds do.");
}

}  // namespace fakequant::report
