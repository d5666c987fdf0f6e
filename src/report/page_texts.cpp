#include "report/page_texts.h"

#include <fmt/format.h>

#include <map>

#include "base/text.h"
#include "report/html.h"
#include "report/text_groups.h"

namespace fakequant::report {
namespace {

std::string side(const std::string& who, const std::string& said) {
  return fmt::format("<div class=\"side\"><p class=\"who\">{}</p>\n<p class=\"said\">{}</p></div>\n", who,
                     said.empty() ? "<span class=\"soft\">nothing: it ended at once</span>" : said);
}

// The variant's text; from where it parts from the baseline's it stands out.
std::string parted(const RunReport& report, const TextOfVariant& text) {
  std::string who =
      fmt::format("{} {} <br>{}", html_text(report.label(*text.variant)),
                  journal_link(text.variant->generation->line), html_text(parting_words(*text.pair)));
  std::string rest = text.variant_rest();
  return side(who, fmt::format("<span class=\"same-part\">{}</span><mark>{}</mark>", html_text(text.common()),
                               rest.empty() ? "(ends here)" : html_text(rest)));
}

std::string group_html(const RunReport& report, const TextGroup& group) {
  std::string sampling = group.temperature == 0
                             ? "temperature 0"
                             : fmt::format("temperature {:g}{}", group.temperature,
                                           group.seed ? fmt::format(", seed {}", *group.seed) : "");
  std::vector<std::string> same;
  std::string others;
  for (const TextOfVariant& text : group.variants) {
    if (text.pair->identical)
      same.push_back(report.label(*text.variant));
    else
      others += parted(report, text);
  }
  std::string who = "baseline";
  if (!same.empty()) who += fmt::format("; word for word the same: {}", join(same, ", "));
  return fmt::format(
      "<article class=\"texts\">\n<h3>{} <span class=\"soft\">· {}</span></h3>\n"
      "<div class=\"sides\">\n{}{}</div>\n</article>\n",
      html_text(group.prompt), sampling, side(html_text(who), html_text(group.baseline)), others);
}

constexpr size_t kShownAtOnce = 4;

}  // namespace

std::string texts_html(const RunReport& report) {
  std::vector<TextGroup> groups = text_groups(report);
  std::string html, rest;
  for (size_t i = 0; i < groups.size(); ++i)
    (i < kShownAtOnce ? html : rest) += group_html(report, groups[i]);
  if (rest.empty()) return html;
  return html + fmt::format("<details class=\"more\"><summary>{} more</summary>\n{}</details>\n",
                            counted(groups.size() - kShownAtOnce, "prompt"), rest);
}

namespace {

constexpr size_t kMostElements = 6;

// The same value with long lists cut: histograms and tensors of a big model would be most of the page.
Json shortened(const Json& value) {
  if (value.is_object()) {
    Json object = Json::object();
    for (const auto& [key, element] : value.items()) object[key] = shortened(element);
    return object;
  }
  if (!value.is_array()) return value;
  Json list = Json::array();
  for (const Json& element : value) {
    if (list.size() == kMostElements && value.size() > kMostElements + 1) {
      list.push_back(fmt::format("... and {} more", value.size() - kMostElements));
      break;
    }
    list.push_back(shortened(element));
  }
  return list;
}

std::string string_field(const Json& fields, const char* key) {
  auto found = fields.find(key);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string record_html(const Record& record) {
  std::string what = html_text(string_field(record.fields, "kind"));
  for (const char* key : {"model", "variant", "text", "stage", "name"}) {
    std::string value = string_field(record.fields, key);
    if (!value.empty()) what += fmt::format(" <span class=\"soft\">{}</span>", html_text(excerpt(value)));
  }
  std::string json = shortened(record.fields).dump(1, ' ', false, Json::error_handler_t::replace);
  return fmt::format(
      "<li id=\"J{0}\"><details><summary><span class=\"line\">J{0}</span> {1}</summary>"
      "<pre class=\"wrap\">{2}</pre></details></li>\n",
      record.line, what, html_text(json));
}

}  // namespace

std::string records_html(const RunFolder& folder) {
  std::map<size_t, const Record*> records = {{folder.experiment_record().line, &folder.experiment_record()}};
  for (const Measured& measured : folder.measurements()) {
    if (measured.record != nullptr) records.emplace(measured.record->line, measured.record);
  }
  for (const char* kind : {"criterion", "decision", "warning"}) {
    for (const Record* record : folder.others(kind)) records.emplace(record->line, record);
  }
  std::string html = "<ol class=\"records\">\n";
  for (const auto& [line, record] : records) html += record_html(*record);
  return html + "</ol>\n";
}

}  // namespace fakequant::report
