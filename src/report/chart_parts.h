#pragma once
// What charts have in common: numbers as they are shown, controls to choose what is shown, which variants.

#include <string>
#include <string_view>
#include <vector>

#include "report/chart_kinds.h"

namespace fakequant {

// Three significant digits: 0.0043, 12.3, 1.2e-09.
std::string short_number(double value);
// With a sign: +0.0043.
std::string signed_number(double value);

// Six significant digits: what a chart or its table can show, at half the bytes.
double shown_number(double value);

// Lets a reader choose which value of `field` is shown, the first at first; of one value, all is shown. Sets params and the
// filter of the spec, which has no others.
void add_choice(Json& spec, std::string_view field, const std::string& label, const std::vector<std::string>& values);

// "1 variant", "12 variants" of the names given; "the first 60 of 72 variants are shown" is what a note says when they are cut.
inline constexpr size_t kMostRows = 60;

// The places in RunReport::variants that a chart over variants shows: those with a divergence, at most kMostRows.
struct ShownVariants {
  std::vector<size_t> indices;
  std::string note;  // which were left out
};
ShownVariants variants_with_divergence(const RunReport& report);

// Texts that any variant was measured on, in order.
std::vector<size_t> measured_texts(const RunReport& report);

// Scale and axis of a logarithmic quantity: lines at powers of ten alone, which are enough to read it by. Over less than two of them, at
// 1, 2 and 5 too. Of values that are not positive nothing is taken.
class LogAxis {
 public:
  void add(double value);
  Json ticks() const;                    // for axis.values and legend.values
  void apply_to(Json& encoding) const;  // sets its scale's type and its axis

 private:
  double low_ = 0, high_ = 0;
};

// Parses a specification that stands in our own source.
Json chart_spec(std::string_view json);

}  // namespace fakequant
