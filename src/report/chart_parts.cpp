#include "report/chart_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace fakequant {

std::string variant_label(const RunReport& report, const ReportVariant& variant) {
  return report.models.size() < 2 ? variant.name : fmt::format("{} ({})", variant.name, report.models.at(variant.model).name);
}

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

Json chart_spec(std::string_view json) {
  return Json::parse(json);
}

}  // namespace fakequant
