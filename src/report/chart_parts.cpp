#include "report/chart_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace fakequant::report {

std::string short_number(double value) {
  return fmt::format("{:.3g}", value);
}

std::string signed_number(double value) {
  return fmt::format("{:+.3g}", value);
}

double shown_number(double value) {
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

void add_choice(Json& spec, std::string_view field, const std::string& label,
                const std::vector<std::string>& values) {
  if (values.size() < 2) return;
  spec["params"] =
      Json::array({{{"name", "shown"},
                    {"value", values[0]},
                    {"bind", {{"input", "select"}, {"options", values}, {"name", label + " "}}}}});
  spec["transform"] = Json::array({{{"filter", fmt::format("datum.{} === shown", field)}}});
}

ShownVariants variants_with_divergence(const RunReport& report) {
  std::vector<size_t> measured;
  size_t controls = 0;
  for (size_t i = 0; i < report.variants.size(); ++i) {
    if (report.variants[i].divergences.empty()) continue;
    measured.push_back(i);
    controls += report.variants[i].is_control ? 1 : 0;
  }
  if (measured.size() <= kMostRows) return {std::move(measured), ""};
  ShownVariants shown;
  size_t room = kMostRows - std::min(kMostRows, controls);
  for (size_t index : measured) {
    bool is_control = report.variants[index].is_control;
    if (!is_control && room == 0) continue;
    if (!is_control) --room;
    shown.indices.push_back(index);
  }
  shown.note = fmt::format("Of {} variants, the first {} are shown.", measured.size(), shown.indices.size());
  return shown;
}

std::vector<size_t> measured_texts(const RunReport& report) {
  std::vector<size_t> texts;
  for (size_t text = 0; text < report.texts.size(); ++text) {
    bool measured =
        std::any_of(report.variants.begin(), report.variants.end(),
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

namespace {

// 1, 2 and 5 times the powers of ten from below `low` to above `high`. From their texts: 10 to a negative power is not exact, and
// 0.000010000000000000003 is no label.
std::vector<double> round_numbers(double low, double high) {
  std::vector<double> numbers;
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= std::floor(std::log10(high)) + 1;
       ++power) {
    for (const char* digit : {"1", "2", "5"})
      numbers.push_back(std::strtod(fmt::format("{}e{}", digit, power).c_str(), nullptr));
  }
  return numbers;
}

bool is_narrow(double low, double high) {
  return std::log10(high / low) < 2;
}

bool is_power_of_ten(double number) {
  return fmt::format("{:e}", number)[0] == '1';
}

}  // namespace

Json LogAxis::domain() const {
  double low = low_ > 0 ? low_ : 1, high = high_ > 0 ? high_ : 1;
  if (!is_narrow(low, high)) return {low, high};
  std::vector<double> numbers = round_numbers(low, high);
  auto above = std::find_if(numbers.begin(), numbers.end(),
                            [&](double number) { return number >= high && number > low; });
  auto below = std::find_if(numbers.rbegin(), numbers.rend(), [&](double number) { return number <= low; });
  return {*below, *above};
}

Json LogAxis::ticks() const {
  double low = domain()[0], high = domain()[1];
  Json ticks = Json::array();
  for (double number : round_numbers(low, high)) {
    if (number >= low && number <= high && (is_narrow(low, high) || is_power_of_ten(number)))
      ticks.push_back(number);
  }
  return ticks;
}

void LogAxis::apply_to(Json& encoding) const {
  Json& scale = encoding["scale"];
  scale["type"] = "log";
  scale["domain"] = domain();
  scale["nice"] = false;
  encoding["axis"] = {{"values", ticks()}, {"format", "~g"}, {"labelOverlap", "greedy"}};
}

void LogAxis::color(Json& encoding) const {
  constexpr size_t kMost = 5;
  Json all = ticks(), few = Json::array();
  size_t step = (all.size() + kMost - 1) / kMost;
  for (size_t i = 0; i < all.size(); i += step) few.push_back(all[i]);
  encoding["scale"] = {{"type", "log"}, {"scheme", "viridis"}, {"domain", domain()}};
  encoding["legend"] = {{"format", "~g"}, {"titleOrient", "top"}, {"values", few}};
}

Json chart_spec(std::string_view json) {
  return Json::parse(json);
}

}  // namespace fakequant::report
