#include "report/criterion_value.h"

#include "base/text.h"
#include "report/figures.h"

namespace fakequant::report {

namespace {

// The number of a condition; "5 %" is 0.05.
double limit_of(const std::string& check) {
  size_t number = check.find_first_not_of("<>=! ", check.find_first_of("<>=!"));
  if (number == std::string::npos) return 0;
  std::string_view text = trim(std::string_view(check).substr(number));
  bool is_percentage = text.ends_with('%');
  if (is_percentage) text = trim(text.substr(0, text.size() - 1));
  double limit = 0;
  parse_double(text, limit);
  return is_percentage ? limit / 100 : limit;
}

}  // namespace

bool passes(const std::string& check, double value) {
  size_t place = check.find_first_of("<>=!");
  if (place == std::string::npos) return false;
  double limit = limit_of(check);
  bool or_equal = check.compare(place + 1, 1, "=") == 0;
  switch (check[place]) {
    case '<':
      return value < limit || (or_equal && value == limit);
    case '>':
      return value > limit || (or_equal && value == limit);
    case '!':
      return value != limit;
    default:
      return value == limit;
  }
}

std::optional<CriterionValue> worst_value(const ReportCriterion& criterion) {
  size_t place = criterion.check.find_first_of("<>=!");
  if (place == std::string::npos) return std::nullopt;
  char comparator = criterion.check[place];
  bool negated = comparator == '!';
  double limit = limit_of(criterion.check);
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
