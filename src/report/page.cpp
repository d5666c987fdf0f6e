#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "report/charts.h"
#include "report/html.h"
#include "report/page_parts.h"
#include "report/page_sections.h"

namespace fakequant::report {
namespace {

// A template with {{name}} for each slot; what a slot is filled with is not looked into.
std::string filled(std::string_view text, const std::map<std::string_view, std::string_view>& slots) {
  std::string page;
  while (true) {
    size_t open = text.find("{{");
    page += text.substr(0, open);
    if (open == std::string_view::npos) return page;
    size_t close = text.find("}}", open);
    FQ_CHECK(close != std::string_view::npos);
    auto slot = slots.find(text.substr(open + 2, close - open - 2));
    FQ_CHECK(slot != slots.end());
    page += slot->second;
    text.remove_prefix(close + 2);
  }
}

std::string figure_html(const Chart& chart) {
  return fmt::format(
      "<figure class=\"chart\" id=\"chart-{0}\" "
      "data-chart=\"{0}\">\n<h3>{1}</h3>\n<figcaption>{2}</figcaption>\n"
      "<div class=\"controls\"></div>\n"
      "<div class=\"plot\" role=\"img\" aria-label=\"{3}\"></div>\n</figure>\n",
      chart.id, html_text(chart.title), html_text(chart.summary), html_text(chart.alt));
}

std::string charts_html(const std::vector<Chart>& all) {
  std::string html;
  for (const Chart& chart : all) html += figure_html(chart);
  if (!html.empty()) html = "<noscript><p class=\"note\">Charts need JavaScript.</p></noscript>\n" + html;
  return html;
}

Json charts_json(const std::vector<Chart>& all) {
  Json list = Json::array();
  for (const Chart& chart : all) {
    Json columns = Json::array();
    for (const ChartColumn& column : chart.columns) columns.push_back({column.field, column.title});
    list.push_back({{"id", chart.id}, {"spec", chart.spec}, {"columns", columns}});
  }
  return list;
}

// What one page has that another has not; all of it is HTML, but the title.
struct PageContent {
  std::string title;
  std::string lead;
  std::vector<PageSection> sections;
  Json charts;
  std::string foot;
};

std::string whole_page(const PageContent& content) {
  std::string contents, body;
  for (const PageSection& section : content.sections) {
    contents += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, html_text(section.title));
    body += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"{0}-title\"{3}>\n"
        "<h2 id=\"{0}-title\">{1}</h2>\n{2}</section>\n",
        section.id, html_text(section.title), section.html,
        section.id == std::string_view("answer") ? " class=\"answer\"" : "");
  }
  std::string title = html_text(content.title),
              data = html_json(content.charts.dump(-1, ' ', false, Json::error_handler_t::replace));
  const PageParts& parts = page_parts();
  return filled(parts.template_html, {{"title", title},
                                      {"lead", content.lead},
                                      {"contents", contents},
                                      {"body", body},
                                      {"foot", content.foot},
                                      {"charts", data},
                                      {"style", parts.style},
                                      {"script", parts.script},
                                      {"script_sha256", parts.script_sha256}});
}

}  // namespace

std::string page_html(const RunReport& report, const RunFolder& folder) {
  std::vector<Chart> all = charts(report);
  return whole_page({.title = report.title,
                     .lead = page_lead(report),
                     .sections = page_sections(report, folder, charts_html(all)),
                     .charts = charts_json(all),
                     .foot = page_foot(report)});
}

std::string comparison_html(const RunComparison& comparison) {
  return whole_page(
      {.title = fmt::format("Two runs: {} and {}", comparison.a, comparison.b),
       .lead = fmt::format("<p class=\"lead\">A is {}, B is {}.</p>\n", html_text(comparison.a),
                           html_text(comparison.b)),
       .sections = comparison_sections(comparison),
       .charts = Json::array(),
       .foot = "<p>Made by fakequant. This page needs nothing else: no network, no other file.</p>\n"});
}

}  // namespace fakequant::report
