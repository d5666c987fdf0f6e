#include "report/markdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "report/csv.h"
#include "report/figures.h"
#include "report/findings.h"
#include "report/markdown_text.h"
#include "report/methods.h"
#include "report/text_groups.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

// The sections made of one table, in groups between which others stand.
struct TableSection {
  const char* key;
  size_t rows;  // that are shown
};
constexpr TableSection kResults[] = {
    {"divergence", 100}, {"criteria", 100}, {"decisions", 100}, {"variants", 100}, {"baselines", 40}};
constexpr TableSection kDetails[] = {{"layers", 60},     {"tensors", 40}, {"precision", 60},
                                     {"confidence", 28}, {"loads", 40},   {"speed", 40}};
constexpr TableSection kProvenance[] = {
    {"runs", 50}, {"remarks", 200}, {"models", 50}, {"texts", 50}, {"settings", 100}};
constexpr TableSection kMeasurements[] = {{"measurements", 100}};

template <size_t Count>
std::string table_sections(const RunReport& report, const TableSection (&sections)[Count],
                           const char* heading) {
  std::string result;
  for (const TableSection& section : sections) {
    ReportTable table = report_table(report, section.key);
    if (table.rows.empty()) continue;
    result += fmt::format("{} {}\n\n{}", heading, table.title,
                          markdown_table(table, {section.rows, csv_path(table.key)}));
    if (!table.note.empty()) result += fmt::format("\n{}\n", markdown_escaped(table.note));
    result += "\n";
  }
  return result;
}

std::string finding_line(const Finding& finding) {
  const char* mark = finding.severity == Severity::problem ? "**Problem.** " : "";
  std::string journal = journal_marks(finding.lines);
  return fmt::format("- {}{}{}{}\n", mark, markdown_escaped(finding.text), journal.empty() ? "" : " ",
                     journal);
}

std::string finding_section(const std::vector<Finding>& findings, const char* heading,
                            std::initializer_list<Severity> severities) {
  std::string lines;
  for (const Finding& finding : findings) {
    if (std::find(severities.begin(), severities.end(), finding.severity) != severities.end())
      lines += finding_line(finding);
  }
  return lines.empty() ? "" : fmt::format("## {}\n\n{}\n", heading, lines);
}

std::string summary_line(const RunReport& report) {
  std::vector<std::string> names;
  for (const ReportModel& model : report.models) {
    names.push_back(fmt::format("{} ({} weights, {:.2f} bits per weight)", file_name(model.name),
                                format_count(model.weights), model.bits_per_weight));
  }
  return fmt::format("{}; {}, {}, {}.", join(names, "; "), counted(report.variants.size(), "variant"),
                     counted(report.texts.size(), "text"),
                     counted(report.measurements.size(), "measurement"));
}

std::string opening(const RunReport& report, const std::vector<Finding>& findings) {
  std::string result =
      fmt::format("{}\n# {}\n\n", kMarkdownMark,
                  markdown_escaped(report.title));
  if (!report.description.empty()) result += markdown_escaped(report.description) + "\n\n";
  result += markdown_escaped(summary_line(report)) + "\n\n";
  // What is wrong with the run itself comes before what it found.
  for (const Finding& finding : findings) {
    std::string_view kind = finding.kind;
    if (kind == "unfinished" || kind == "stopped")
      result += fmt::format("> **{}**\n\n", markdown_escaped(finding.text));
  }
  return result;
}

// Lines behind the first one stand under it.
std::string indented(std::string_view text) {
  std::string result;
  for (char c : text) {
    result += c;
    if (c == '\n') result += std::string(12, ' ');
  }
  return result;
}

// The texts of one variant under a prompt, both from where they part.
std::string parted_text(const RunReport& report, const TextOfVariant& text) {
  std::string body = fmt::format("both      {}\nbaseline  >>{}\nvariant   >>{}", indented(text.common()),
                                 indented(text.baseline_rest()), indented(text.variant_rest()));
  return fmt::format("{}: {}. {}\n\n{}\n", markdown_escaped(report.label(*text.variant)),
                     markdown_escaped(parting_words(*text.pair)),
                     journal_marks({text.variant->generation->line}), markdown_code_block(body));
}

std::string text_group(const RunReport& report, const TextGroup& group) {
  std::string seed = group.seed ? fmt::format(", seed {}", *group.seed) : "";
  std::string result =
      fmt::format("### {}\n\nTemperature {}{}. The baseline ({}):\n\n{}\n", markdown_escaped(group.prompt),
                  figure(group.temperature), seed, markdown_escaped(report.models[group.model].name),
                  markdown_code_block(group.baseline));
  std::vector<std::string> same;
  for (const TextOfVariant& text : group.variants) {
    if (text.pair->identical) same.push_back(report.label(*text.variant));
  }
  if (!same.empty()) result += fmt::format("The same: {}.\n\n", markdown_escaped(join(same, ", ")));
  for (const TextOfVariant& text : group.variants) {
    if (!text.pair->identical) result += parted_text(report, text);
  }
  return result;
}

std::string text_section(const RunReport& report) {
  constexpr size_t kMostGroups = 24, kMostTexts = 120;
  std::vector<TextGroup> groups = text_groups(report);
  if (groups.empty()) return "";
  std::string result = "## Texts\n\nWhat both have is shown once; `>>` marks where they part.\n\n";
  size_t shown = 0, texts = 0;
  while (shown < groups.size() && shown < kMostGroups && texts < kMostTexts) {
    texts += groups[shown].variants.size();
    result += text_group(report, groups[shown++]);
  }
  if (shown < groups.size()) {
    result += fmt::format("The first {} of {} prompts; all of them are in `{}`.\n\n", shown, groups.size(),
                          csv_path("generation"));
  }
  return result;
}

std::string method_section(const RunReport& report) {
  std::string result = "## Methods\n\n";
  for (const Method& method : methods_of(report))
    result += fmt::format("**{}.** {}\n\n", method.name, markdown_escaped(method.text));
  return result;
}

std::string reproduction_section(const RunReport& report) {
  std::string result = "## Reproduction\n\n";
  result += fmt::format(
      "Made with fakequant {} and llama.cpp {}. The same experiment file, models and texts give the same "
      "numbers, but for "
      "times. Hashes are of whole contents.\n\n",
      markdown_escaped(report.program), markdown_escaped(report.llama_cpp));
  result += table_sections(report, kProvenance, "###");
  if (!report.experiment_file.empty())
    result += fmt::format("### Experiment file\n\n{}\n", markdown_code_block(report.experiment_file));
  return result;
}

}  // namespace

std::string markdown_report(const RunReport& report) {
  std::vector<Finding> findings = find_all(report);
  std::string result = opening(report, findings);
  result += finding_section(findings, "Answer", {Severity::problem, Severity::answer});
  result += finding_section(findings, "To be careful about", {Severity::caution});
  result += finding_section(findings, "Worth knowing", {Severity::note});
  result += table_sections(report, kResults, "##");
  result += text_section(report);
  result += table_sections(report, kDetails, "##");
  result += method_section(report);
  result += reproduction_section(report);
  result += table_sections(report, kMeasurements, "##");
  result += fmt::format(
      "[J12] is line 12 of `{}`, which holds the number in full; line {} is the experiment itself.\n",
      kJournalFile, report.experiment_line);
  return result;
}

std::string markdown_comparison(const RunComparison& comparison) {
  constexpr size_t kMostRows = 200;
  std::string result = fmt::format("{}\n# Two runs: {} and {}\n\n", kMarkdownMark,
                                   markdown_escaped(comparison.a), markdown_escaped(comparison.b));
  result +=
      fmt::format("A is {}, B is {}.\n\n", markdown_escaped(comparison.a), markdown_escaped(comparison.b));
  for (const Finding& finding : comparison.findings) result += finding_line(finding);
  for (const ReportTable& table : comparison.tables) {
    result +=
        fmt::format("\n## {}\n\n{}", table.title, markdown_table(table, {kMostRows, csv_path(table.key)}));
    if (!table.note.empty()) result += fmt::format("\n{}\n", markdown_escaped(table.note));
  }
  return result;
}

}  // namespace fakequant::report
