#include "report/page_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/html.h"

namespace fakequant {
namespace {

// How many bytes two texts have in common at their begin, in whole characters.
size_t common_length(std::string_view a, std::string_view b) {
  auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  (void)other;
  return whole_characters(a, static_cast<size_t>(end - a.begin()));
}

// A text of which the first `same` bytes are the other's too.
std::string said(std::string_view text, size_t same) {
  if (text.empty()) return "<p class=\"said soft\">(nothing: it ended at once)</p>\n";
  std::string html = fmt::format("<p class=\"said\"><span class=\"same-part\">{}</span>", html_text(text.substr(0, same)));
  if (same < text.size()) html += fmt::format("<mark>{}</mark>", html_text(text.substr(same)));
  return html + "</p>\n";
}

std::string side(std::string_view who, std::string_view text, size_t same) {
  return fmt::format("<div class=\"side\"><p class=\"who\">{}</p>\n{}</div>\n", html_text(who), said(text, same));
}

std::string how_sampled(const TextPair& pair) {
  if (pair.temperature == 0) return "temperature 0";
  return fmt::format("temperature {:g}{}", pair.temperature, pair.seed ? fmt::format(", seed {}", *pair.seed) : "");
}

std::string where_they_part(const TextPair& pair) {
  if (pair.identical) return "the same text";
  std::string words = pair.token_index ? fmt::format("part at token {}", *pair.token_index + 1) : "differ";
  return words + (pair.near_tie ? ", a near-tie" : "");
}

std::string pair_html(const TextPair& pair, const std::string& variant) {
  std::string html = fmt::format("<div class=\"texts\">\n<h4>“{}” <span class=\"soft\">· {} · {}</span></h4>\n", html_text(pair.prompt),
                                 how_sampled(pair), where_they_part(pair));
  if (pair.identical) return html + "<div class=\"pair\">\n" + side("baseline and " + variant, pair.baseline, pair.baseline.size()) + "</div>\n</div>\n";
  size_t same = common_length(pair.baseline, pair.variant);
  return html + "<div class=\"pair two\">\n" + side("baseline", pair.baseline, same) + side(variant, pair.variant, same) + "</div>\n</div>\n";
}

std::string summary_of(const ReportVariant& variant) {
  const GenerationResult& made = *variant.generation;
  return fmt::format("<span class=\"name\">{}</span> <span class=\"soft\">{} of {} the same</span> {}", html_text(variant.name), made.identical,
                     counted(made.texts.size(), "text"), journal_link(made.line));
}

}  // namespace

std::string texts_html(const RunReport& report) {
  std::string html;
  for (const ReportVariant& variant : report.variants) {
    if (!variant.generation || variant.generation->texts.empty()) continue;
    html += fmt::format("<details class=\"more\"{}>\n<summary>{}</summary>\n", html.empty() ? " open" : "", summary_of(variant));
    for (const TextPair& pair : variant.generation->texts) html += pair_html(pair, variant.name);
    html += "</details>\n";
  }
  return html;
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
  return fmt::format("<li id=\"J{0}\"><details><summary><span class=\"line\">J{0}</span> {1}</summary><pre class=\"wrap\">{2}</pre></details></li>\n",
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

}  // namespace fakequant
