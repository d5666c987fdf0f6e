#include "report/page_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/text.h"
#include "report/figures.h"
#include "report/findings.h"
#include "report/html.h"
#include "report/methods.h"
#include "report/page_parts.h"
#include "report/page_texts.h"
#include "report/tables.h"
#include "report/variant_words.h"

namespace fakequant::report {
namespace {

// A word of a table with the sign and the colour that go with it: what is good, bad or open is told three ways.
struct Sign {
  std::string_view word;
  const char* icon;
  const char* css;
};
constexpr Sign kSigns[] = {
    {"pass", "✓", "good"},           {"FAIL", "✗", "bad"},
    {"not measured", "?", "unsure"}, {"for a person to judge", "◇", "unsure"},
    {"worse", "▲", "bad"},           {"better", "▼", "good"},
    {"noise", "≈", "none"},          {"same", "=", "none"},
    {"unclear", "?", "unsure"},      {"failed", "✗", "bad"},
    {"missing", "?", "unsure"},
};

std::string with_sign(const std::string& text) {
  for (const Sign& sign : kSigns) {
    if (text != sign.word) continue;
    return fmt::format("<span class=\"outcome {}\"><span aria-hidden=\"true\">{}</span> {}</span>", sign.css,
                       sign.icon, html_text(text));
  }
  return html_text(text);
}

constexpr size_t kLongText = 36;  // bytes; longer ones may break

HtmlCell cell_of(const Column& column, const Cell& cell) {
  if (column.is_number) return {html_text(cell.text), cell.value};
  return {with_sign(cell.text), {}, cell.text.size() > kLongText ? "prose" : "word"};
}

// Every journal line that a row's numbers come from, once each, in order.
HtmlCell lines_of(const std::vector<Cell>& row) {
  std::vector<size_t> lines;
  for (const Cell& cell : row) {
    if (cell.line != 0) lines.push_back(cell.line);
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string html;
  for (size_t line : lines) html += journal_link(line);
  return {html, lines.empty() ? std::nullopt : std::optional<double>(static_cast<double>(lines.front())),
          "word"};
}

// What the page shows in another way: whole texts stand side by side.
constexpr std::array<std::string_view, 2> kShownElsewhere = {"baseline_text", "variant_text"};

// Columns that tell rows apart only where there are several: of one text, one stage, one model.
constexpr std::array<std::string_view, 3> kOnlyWhereSeveral = {"text", "stage", "model"};

bool says_nothing(const ReportTable& table, size_t column) {
  if (column == 0 || table.rows.size() < 2) return false;
  bool counts = std::find(kOnlyWhereSeveral.begin(), kOnlyWhereSeveral.end(), table.columns[column].key) !=
                kOnlyWhereSeveral.end();
  return counts && std::all_of(table.rows.begin(), table.rows.end(), [&](const std::vector<Cell>& row) {
           return row[column].text == table.rows[0][column].text;
         });
}

// Columns in which no row has anything are left out.
std::vector<size_t> columns_in_use(const ReportTable& table) {
  std::vector<size_t> used;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    bool any = std::any_of(table.rows.begin(), table.rows.end(), [i](const std::vector<Cell>& row) {
      return !row[i].text.empty() && row[i].text != kNoNumber;
    });
    bool elsewhere = std::find(kShownElsewhere.begin(), kShownElsewhere.end(), table.columns[i].key) !=
                     kShownElsewhere.end();
    if ((any || i == 0) && !elsewhere && !says_nothing(table, i)) used.push_back(i);
  }
  return used;
}

// Units that numbers do not carry themselves, as "12 s" and "3 %" do.
constexpr std::array<std::string_view, 2> kUnitsOfHeadings = {"nats", "bits per weight"};

std::string unit_of(const Column& column) {
  bool shown =
      std::find(kUnitsOfHeadings.begin(), kUnitsOfHeadings.end(), column.unit) != kUnitsOfHeadings.end();
  return shown ? column.unit : "";
}

HtmlTable html_of(const ReportTable& table) {
  HtmlTable html{table.title, {}, {}};
  std::vector<size_t> used = columns_in_use(table);
  for (size_t i : used) {
    const Column& column = table.columns[i];
    html.columns.push_back({column.title, unit_of(column), column.is_number, column.help});
  }
  html.columns.push_back({"journal", "", true, "the lines of journal.jsonl that this row comes from"});
  for (const std::vector<Cell>& row : table.rows) {
    HtmlRow cells;
    for (size_t i : used) cells.cells.push_back(cell_of(table.columns[i], row[i]));
    cells.cells.push_back(lines_of(row));
    html.rows.push_back(std::move(cells));
  }
  return html;
}

std::string note_html(const std::string& note) {
  return note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", html_text(note));
}

// The tables of a section, each under its own heading but for one that says the same as the section's.
std::string tables_html(const RunReport& report, std::string_view section,
                        std::initializer_list<const char*> keys) {
  std::string html;
  for (const char* key : keys) {
    ReportTable table = report_table(report, key);
    if (table.rows.empty()) continue;
    if (table.title != section) html += fmt::format("<h3>{}</h3>\n", html_text(table.title));
    html += html_table(html_of(table)) + note_html(table.note);
  }
  return html;
}

std::string fact(std::string_view name, const std::string& value) {
  return value.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", html_text(name), html_text(value));
}

std::string facts(const std::string& html) {
  return html.empty() ? "" : "<dl class=\"facts\">\n" + html + "</dl>\n";
}

// A table of few and long rows: each row under its first cell.
std::string rows_as_facts(const ReportTable& table) {
  std::string html;
  for (const std::vector<Cell>& row : table.rows) {
    std::string values;
    for (size_t i = 1; i < row.size(); ++i) {
      if (row[i].text != kNoNumber) values += fact(table.columns[i].title, row[i].text);
    }
    html += fmt::format("<h4>{}</h4>\n{}", html_text(row[0].text), facts(values));
  }
  return html.empty() ? "" : fmt::format("<h3>{}</h3>\n{}", html_text(table.title), html);
}

// A table of names and values.
std::string pairs_as_facts(const ReportTable& table) {
  std::string html;
  for (const std::vector<Cell>& row : table.rows) html += fact(row[0].text, row[1].text);
  return html.empty() ? "" : fmt::format("<h3>{}</h3>\n{}", html_text(table.title), facts(html));
}

std::string methods_html(const RunReport& report) {
  std::string html;
  for (const Method& method : methods_of(report))
    html += fmt::format("<p><strong>{}.</strong> {}</p>\n", html_text(method.name), html_text(method.text));
  return html;
}

std::string reproduction_html(const RunReport& report) {
  std::string html = fmt::format(
      "<p>Made with fakequant {} and llama.cpp {}. The same experiment file, models and texts give the same "
      "numbers, but for times. "
      "Hashes are of whole contents.</p>\n",
      html_text(report.program), html_text(report.llama_cpp));
  for (const char* key : {"runs", "models", "texts"}) html += rows_as_facts(report_table(report, key));
  html += pairs_as_facts(report_table(report, "settings"));
  if (!report.experiment_file.empty()) {
    html += fmt::format(
        "<h3>Experiment file</h3>\n"
        "<pre tabindex=\"0\" role=\"region\" aria-label=\"Experiment file\">{}</pre>\n",
        html_text(report.experiment_file));
  }
  return html;
}

// How a finding is marked: problems and cautions stand out, in more than their colour.
struct FindingStyle {
  Severity severity;
  const char* css;
  const char* mark;  // HTML before the sentence
};
constexpr FindingStyle kFindingStyles[] = {
    {Severity::answer, "answer", ""},
    {Severity::note, "note", ""},
    {Severity::caution, "unsure", "<span class=\"icon\" aria-hidden=\"true\">!</span>"},
    {Severity::problem, "bad",
     "<span class=\"icon\" aria-hidden=\"true\">✗</span><span class=\"kind\">Problem.</span> "},
};

std::string sentence_html(const Finding& finding) {
  std::string html = html_text(finding.text);
  for (size_t line : finding.lines) html += fmt::format(" {}", journal_link(line));
  return html;
}

std::string findings_html(const std::vector<Finding>& findings,
                          const std::function<bool(const Finding&)>& wanted) {
  std::string html;
  for (const Finding& finding : findings) {
    if (!wanted(finding)) continue;
    const FindingStyle* style =
        std::find_if(std::begin(kFindingStyles), std::end(kFindingStyles),
                     [&](const FindingStyle& row) { return row.severity == finding.severity; });
    html += fmt::format("<li class=\"{}\">{}{}</li>\n", style->css, style->mark, sentence_html(finding));
  }
  return html.empty() ? "" : "<ul class=\"findings\">\n" + html + "</ul>\n";
}

std::string findings_html(const std::vector<Finding>& findings, Severity severity) {
  return findings_html(findings, [=](const Finding& finding) { return finding.severity == severity; });
}

// What is wrong with the run itself comes before what it found, other problems after it.
std::string answer_html(const std::vector<Finding>& findings) {
  auto of_the_run = [](const Finding& finding) {
    std::string_view kind = finding.kind;
    return kind == "unfinished" || kind == "stopped";
  };
  return findings_html(findings, of_the_run) + findings_html(findings, Severity::answer) +
         findings_html(findings, [&](const Finding& finding) {
           return finding.severity == Severity::problem && !of_the_run(finding);
         });
}

}  // namespace

std::vector<PageSection> page_sections(const RunReport& report, const RunFolder& folder, std::string charts) {
  std::vector<Finding> findings = find_all(report);
  std::vector<PageSection> all = {
      {"answer", "The answer", answer_html(findings)},
      {"criteria", "Criteria", tables_html(report, "Criteria", {"criteria", "decisions"})},
      {"careful", "To be careful about", findings_html(findings, Severity::caution)},
      {"notes", "Worth knowing", findings_html(findings, Severity::note)},
      {"variants", "Variants", tables_html(report, "Variants", {"divergence", "variants", "baselines"})},
      {"charts", "Charts", std::move(charts)},
      {"texts", "Generated texts",
       texts_html(report) + tables_html(report, "Generated texts", {"generation"})},
      {"tensors", "Tensors", tables_html(report, "Tensors", {"layers", "tensors", "precision"})},
      {"more", "More measurements",
       tables_html(report, "More measurements", {"confidence", "loads", "speed"})},
      {"methods", "Methods", methods_html(report)},
      {"reproduction", "Reproduction", reproduction_html(report)},
      {"remarks", "Remarks", tables_html(report, "Remarks", {"remarks"})},
      {"measurements", "Measurements", tables_html(report, "Measurements", {"measurements"})},
      {"journal", "Journal", records_html(folder)},
  };
  std::erase_if(all, [](const PageSection& section) { return section.html.empty(); });
  return all;
}

std::vector<PageSection> comparison_sections(const RunComparison& comparison) {
  std::string sentences, tables;
  for (Severity severity : {Severity::problem, Severity::answer, Severity::caution, Severity::note}) {
    sentences += findings_html(comparison.findings, severity);
  }
  for (const ReportTable& table : comparison.tables) {
    HtmlTable html = html_of(table);
    // Lines of two journals are columns of their own.
    html.columns.pop_back();
    for (HtmlRow& row : html.rows) row.cells.pop_back();
    tables +=
        fmt::format("<h3>{}</h3>\n{}{}", html_text(table.title), html_table(html), note_html(table.note));
  }
  return {{"answer", "What differs", std::move(sentences)}, {"tables", "Side by side", std::move(tables)}};
}

std::string page_lead(const RunReport& report) {
  std::string html = report.description.empty()
                         ? ""
                         : fmt::format("<p class=\"lead\">{}</p>\n", html_text(report.description));
  std::vector<std::string> parts;
  for (const ReportModel& model : report.models) {
    parts.push_back(fmt::format("{} ({} weights, {:.2f} bits per weight)", file_name(model.name),
                                format_count(model.weights), model.bits_per_weight));
  }
  for (const ReportText& text : report.texts) parts.push_back("text " + file_name(text.name));
  parts.push_back(counted(report.variants.size(), "variant"));
  parts.push_back(counted(report.measurements.size(), "measurement"));
  return html + fmt::format("<p class=\"note\">{}</p>\n", html_text(join(parts, " · ")));
}

std::string page_foot(const RunReport& report) {
  return fmt::format(
      "<p>Made by fakequant {} with llama.cpp {}. This page needs nothing else: no network, no other "
      "file.</p>\n"
      "<details><summary>Licences of what draws the charts</summary><pre class=\"wrap\">{}</pre></details>\n",
      html_text(report.program), html_text(report.llama_cpp), html_text(page_parts().licences));
}

}  // namespace fakequant::report
