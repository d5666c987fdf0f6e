#include "report/chart_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace fakequant {

std::string short_number(double value) {
  return fmt::format("{:.3g}", value);
}

std::string signed_number(double value) {
  return fmt::format("{:+.3g}", value);
}

double shown_number(double value) {
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

void add_choice(Json& spec, std::string_view field, const std::string& label, const std::vector<std::string>& values) {
  if (values.size() < 2) return;
  spec["params"] = Json::array(
      {{{"name", "shown"}, {"value", values[0]}, {"bind", {{"input", "select"}, {"options", values}, {"name", label + " "}}}}});
  spec["transform"] = Json::array({{{"filter", fmt::format("datum.{} === shown", field)}}});
}

ShownVariants variants_with_divergence(const RunReport& report) {
  ShownVariants shown;
  size_t found = 0;
  for (size_t i = 0; i < report.variants.size(); ++i) {
    if (report.variants[i].divergences.empty()) continue;
    if (++found <= kMostRows) shown.indices.push_back(i);
  }
  if (found > kMostRows) shown.note = fmt::format("Shown are the first {} of {} variants.", kMostRows, found);
  return shown;
}

std::vector<size_t> measured_texts(const RunReport& report) {
  std::vector<size_t> texts;
  for (size_t text = 0; text < report.texts.size(); ++text) {
    bool measured = std::any_of(report.variants.begin(), report.variants.end(),
                                [&](const ReportVariant& variant) { return variant.divergence(text) != nullptr; });
    if (measured) texts.push_back(text);
  }
  return texts;
}

void LogAxis::add(double value) {
  if (!(value > 0)) return;
  low_ = low_ == 0 ? value : std::min(low_, value);
  high_ = std::max(high_, value);
}

Json LogAxis::ticks() const {
  Json ticks = Json::array();
  if (low_ == 0) return ticks;
  int first = static_cast<int>(std::floor(std::log10(low_))), last = static_cast<int>(std::ceil(std::log10(high_)));
  bool fine = std::log10(high_ / low_) < 2;
  for (int power = first; power <= last; ++power) {
    // From its text: 10 to a negative power is not exact, and 0.000010000000000000003 is no label.
    for (const char* digit : {"1", "2", "5"}) {
      if (digit[0] == '1' || fine) ticks.push_back(std::strtod(fmt::format("{}e{}", digit, power).c_str(), nullptr));
    }
  }
  return ticks;
}

void LogAxis::apply_to(Json& encoding) const {
  encoding["scale"]["type"] = "log";
  encoding["scale"]["nice"] = false;
  encoding["axis"]["values"] = ticks();
  encoding["axis"]["format"] = "~g";
  encoding["axis"]["labelOverlap"] = "greedy";
}

Json chart_spec(std::string_view json) {
  return Json::parse(json);
}

}  // namespace fakequant
