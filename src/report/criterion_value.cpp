#include "report/criterion_value.h"

#include "base/text.h"
#include "report/figures.h"

namespace fakequant::report {

std::optional<CriterionValue> worst_value(const ReportCriterion& criterion) {
  size_t place = criterion.check.find_first_of("<>=!");
  if (place == std::string::npos) return std::nullopt;
  char comparator = criterion.check[place];
  bool negated = comparator == '!';
  double limit = 0;
  size_t number = criterion.check.find_first_not_of("<>=! ", place);
  if (number != std::string::npos)
    parse_double(trim(std::string_view(criterion.check).substr(number)), limit);
  auto is_worse = [&](double a, double b) {
    if (comparator == '<') return a > b;
    if (comparator == '>') return a < b;
    return ((a == limit) == negated) && ((b == limit) != negated);
  };
  std::optional<CriterionValue> worst;
  for (const CriterionValue& value : criterion.values) {
    if (!value.value) continue;
    if (!worst || is_worse(*value.value, *worst->value)) worst = value;
  }
  return worst;
}

std::string value_text(const std::string& check, std::optional<double> value) {
  if (!value) return "not measured";
  return trim(check).ends_with('%') ? percent_figure(value) : figure(value);
}

}  // namespace fakequant::report
