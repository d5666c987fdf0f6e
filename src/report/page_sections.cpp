#include "report/page_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "report/html.h"
#include "report/page_texts.h"
#include "report/tables.h"

namespace fakequant {
namespace {

// A word of a table with the sign and the colour that go with it: what is good, bad or open is told three ways.
struct Sign {
  std::string_view word;
  const char* icon;
  const char* css;
};
constexpr Sign kSigns[] = {
    {"pass", "✓", "good"},    {"FAIL", "✗", "bad"},     {"not measured", "?", "unsure"}, {"for a person to judge", "◇", "unsure"},
    {"worse", "▲", "bad"},    {"better", "▼", "good"},  {"noise", "≈", "none"},          {"same", "=", "none"},
    {"unclear", "?", "unsure"}, {"failed", "✗", "bad"}, {"missing", "?", "unsure"},
};

std::string with_sign(const std::string& text) {
  for (const Sign& sign : kSigns) {
    if (text != sign.word) continue;
    return fmt::format("<span class=\"outcome {}\"><span aria-hidden=\"true\">{}</span> {}</span>", sign.css, sign.icon, html_text(text));
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
  return {html, lines.empty() ? std::nullopt : std::optional<double>(static_cast<double>(lines.front())), "word"};
}

// What the page shows in another way: whole texts stand side by side.
constexpr std::array<std::string_view, 2> kShownElsewhere = {"baseline_text", "variant_text"};

// Columns in which no row has anything are left out.
std::vector<size_t> columns_in_use(const ReportTable& table) {
  std::vector<size_t> used;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    bool any = std::any_of(table.rows.begin(), table.rows.end(),
                           [i](const std::vector<Cell>& row) { return !row[i].text.empty() && row[i].text != "n/a"; });
    bool elsewhere = std::find(kShownElsewhere.begin(), kShownElsewhere.end(), table.columns[i].key) != kShownElsewhere.end();
    if ((any || i == 0) && !elsewhere) used.push_back(i);
  }
  return used;
}

// Units that numbers do not carry themselves, as "12 s" and "3 %" do.
constexpr std::array<std::string_view, 2> kUnitsOfHeadings = {"nats", "bits per weight"};

std::string unit_of(const Column& column) {
  bool shown = std::find(kUnitsOfHeadings.begin(), kUnitsOfHeadings.end(), column.unit) != kUnitsOfHeadings.end();
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
std::string tables_html(const RunReport& report, std::string_view section, std::initializer_list<const char*> keys) {
  std::string html;
  for (const char* key : keys) {
    ReportTable table = report_table(report, key);
    if (table.rows.empty()) continue;
    if (table.title != section) html += fmt::format("<h3>{}</h3>\n", html_text(table.title));
    html += html_table(html_of(table)) + note_html(table.note);
  }
  return html;
}

// Names and what they stand for; those that stand for nothing are left out.
class Facts {
 public:
  void add(std::string_view name, const std::string& value) {
    if (!value.empty()) html_ += fmt::format("<dt>{}</dt><dd>{}</dd>\n", html_text(name), html_text(value));
  }
  std::string html() const { return html_.empty() ? "" : "<dl class=\"facts\">\n" + html_ + "</dl>\n"; }

 private:
  std::string html_;
};

std::string count_or_nothing(std::optional<uint64_t> count) {
  return count ? format_count(*count) : "";
}

std::string inputs_html(const RunReport& report) {
  std::string html;
  for (const ReportModel& model : report.models) {
    Facts facts;
    facts.add("file", model.path);
    facts.add("size", fmt::format("{}, {} weights", format_bytes(model.bytes), format_count(model.weights)));
    facts.add("architecture", fmt::format("{}, {}", model.architecture, counted(model.layers, "layer")));
    facts.add("training context", count_or_nothing(model.training_context));
    facts.add("XXH3-128", model.hash);
    html += fmt::format("<h3>Model {}</h3>\n{}", html_text(model.name), facts.html());
  }
  for (const ReportText& text : report.texts) {
    Facts facts;
    facts.add("size", format_bytes(text.bytes));
    facts.add("XXH3-128", text.hash);
    html += fmt::format("<h3>Text {}</h3>\n{}", html_text(text.name), facts.html());
  }
  Facts settings;
  settings.add("fakequant", report.program);
  settings.add("llama.cpp", report.llama_cpp);
  for (const Setting& setting : report.settings) settings.add(setting.name, setting.value);
  html += "<h3>Settings</h3>\n" + settings.html();
  if (!report.experiment_file.empty()) {
    html += fmt::format("<h3>Experiment file</h3>\n<pre tabindex=\"0\" aria-label=\"experiment file\">{}</pre>\n", html_text(report.experiment_file));
  }
  return html;
}

std::string command_line(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words) quoted.push_back(shell_quoted(word));
  return join(quoted, " ");
}

std::string session_html(const ReportSession& session) {
  Facts facts;
  facts.add("started", session.started);
  facts.add("ended", session.ended.empty() ? "never: it was killed, or is running" : session.ended);
  facts.add("in", session.folder);
  facts.add("outcome", session.text.empty() ? session.outcome : fmt::format("{}: {}", session.outcome, session.text));
  facts.add("measured", count_or_nothing(session.measured));
  facts.add("kept from before", count_or_nothing(session.kept));
  facts.add("failed", count_or_nothing(session.failed));
  facts.add("processor", session.processor);
  facts.add("processors", count_or_nothing(session.processors));
  facts.add("threads", count_or_nothing(session.threads));
  facts.add("memory", session.memory_bytes ? format_bytes(*session.memory_bytes) : "");
  facts.add("system", session.system);
  return fmt::format("<pre class=\"wrap\">{}</pre>\n{}", html_text(command_line(session.command)), facts.html());
}

std::string log_html(const RunReport& report) {
  std::string html;
  for (const ReportNote& note : report.notes) {
    html += fmt::format("<li><span class=\"soft\">{}</span> {}</li>\n", html_text(note.time), html_text(note.text));
  }
  if (!html.empty()) html = "<h3>Remarks</h3>\n<ul>\n" + html + "</ul>\n";
  if (!report.sessions.empty()) html += "<h3>Commands</h3>\n";
  for (const ReportSession& session : report.sessions) html += session_html(session);
  return html;
}

}  // namespace

std::vector<PageSection> page_sections(const RunReport& report, const RunFolder& folder, std::string charts) {
  std::vector<PageSection> all = {
      {"criteria", "Criteria", tables_html(report, "Criteria", {"criteria", "decisions"})},
      {"variants", "Variants", tables_html(report, "Variants", {"divergence", "variants", "baselines"})},
      {"charts", "Charts", std::move(charts)},
      {"texts", "Generated texts", tables_html(report, "Generated texts", {"generation"}) + texts_html(report)},
      {"speed", "Speed", tables_html(report, "Speed", {"speed", "loads"})},
      {"tensors", "Tensors", tables_html(report, "Tensors", {"layers", "tensors", "precision"})},
      {"measurements", "Measurements", tables_html(report, "Measurements", {"confidence", "measurements"})},
      {"inputs", "What it was measured with", inputs_html(report)},
      {"log", "Commands and remarks", log_html(report)},
      {"journal", "Journal", records_html(folder)},
  };
  std::erase_if(all, [](const PageSection& section) { return section.html.empty(); });
  return all;
}

std::string page_lead(const RunReport& report) {
  return report.description.empty() ? "" : fmt::format("<p class=\"lead\">{}</p>\n", html_text(report.description));
}

std::string page_foot(const RunReport& report) {
  return fmt::format("<p>Made by fakequant {} with llama.cpp {}.</p>\n", html_text(report.program), html_text(report.llama_cpp));
}

}  // namespace fakequant
