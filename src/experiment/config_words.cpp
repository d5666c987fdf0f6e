#include "experiment/config_words.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/decode_options.h"
#include "experiment/metric.h"
#include "formats/format_grammar.h"
#include "select/rule.h"

namespace fakequant {

void check_tensors(std::string_view, const std::string& text) {
  TensorSelection::parse(text);
}

void check_layers(std::string_view, const std::string& text) {
  LayerSelection::parse(text);
}

void check_format(std::string_view, const std::string& text) {
  parse_format(text);
}

void check_control(std::string_view, const std::string& text) {
  if (text != "none") parse_format(text);
}

void check_condition(std::string_view, const std::string& text) {
  parse_condition(text);
}

void check_size(std::string_view name, const std::string& text) {
  if (parse_bytes(text).value_or(0) == 0)
    throw Error("{}: found '{}', wanted a size such as \"500M\", \"2G\" or \"1GiB\"", name, excerpt(text));
}

void check_time(std::string_view name, const std::string& text) {
  if (parse_seconds(text).value_or(0) == 0)
    throw Error("{}: found '{}', wanted a time such as \"90 s\", \"5 min\" or \"2h\"", name, excerpt(text));
}

void check_not_empty(std::string_view name, const std::string& text) {
  if (trim(text).empty()) throw Error("{}: found nothing in the quotes, wanted a text", name);
}

std::vector<std::string> cache_words() {
  std::vector<std::string> words;
  for (TensorType type : cache_types()) words.push_back(lower(name_of(type)));
  return words;
}

std::vector<std::string> store_words() {
  return {"keep", "auto", "f32", "f16", "bf16", "narrow"};
}

std::vector<std::string> missing_layers_words() {
  return {"error", "skip"};
}

std::vector<std::string> report_words() {
  return {"html", "md", "csv", "json"};
}

}  // namespace fakequant
